from .embedding_cache import EmbeddingCache as EmbeddingCache
