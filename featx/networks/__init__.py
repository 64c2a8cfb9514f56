"""Which network, cut where, at what cost.

A name of the catalogue, a Keras model or a file becomes a flat graph that starts at uint8 pixels, with its weights, its
scaling and its stages. `backbones` lists the names, `cuts` where one can be cut and what that costs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
