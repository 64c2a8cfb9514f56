"""One page about a fitted pipeline that a colleague can read.

A pipeline, images and targets enter; a `ModelReport` leaves, as an HTML page of one file, in a notebook, or as values.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
