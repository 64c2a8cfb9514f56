from .composition import as_extractor as as_extractor
from .embedder import Embedder as Embedder
from .extractor import FeatureExtractor as FeatureExtractor
from .pixels import PixelExtractor as PixelExtractor
from .plan import (
    Plan as Plan,
)
from .plan import (
    Tap as Tap,
)
from .speed import (
    Speed as Speed,
)
from .speed import (
    bench as bench,
)
