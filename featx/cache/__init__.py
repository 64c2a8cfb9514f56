"""(recipe, image) → vector, on disk.

Names of recipes and images go in, with their vectors; the same vectors come out, in this process and every later one.
`EmbeddingCache` is the whole of it; docs/cache-format.md says what the files look like.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
