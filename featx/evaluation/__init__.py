"""How good a model is, how sure that is, and whether a comparison is fair.

Estimators, images and targets enter, scores with their standard errors leave. `evaluate` cross-validates a pipeline;
`find_duplicates` and `leaked` find duplicate images, which make a score too good.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
