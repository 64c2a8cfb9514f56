"""What is in a folder of images, before anything is learned.

`cluster` groups images without labels; `classify` asks a network for its own labels.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
