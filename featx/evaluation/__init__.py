"""How good, how sure, and is the comparison fair.

`evaluate` cross-validates a pipeline and gives scores with their standard errors; `find_duplicates` and `leaked` find
images that are there twice, which make a score too good.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
