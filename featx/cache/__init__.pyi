from .embedding_cache import EmbeddingCache as EmbeddingCache
from .exports import Export as Export
from .merging import Merged as Merged
from .upkeep import Damage as Damage
from .upkeep import RecipeInfo as RecipeInfo
from .upkeep import Removed as Removed
