"""featx: cut a pretrained CNN at any depth, embed images once, fit any scikit-learn head on the embeddings.

The names below are loaded on first use, so that ``import featx`` costs a few milliseconds. Each lives in a room, a
sub-package whose docstring says what enters and what leaves it; docs/design.md has the map.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
