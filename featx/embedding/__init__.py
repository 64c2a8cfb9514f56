"""Choices and images → vectors.

The choices of a `FeatureExtractor` become a plan, a plan an engine, and an engine turns pixels into embeddings, each
image once. `PixelExtractor` gives the pixels themselves, for comparison.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
