"""Networks that Keras does not ship, one family a file: an input size and its arguments → a Keras model."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
