"""The fallback: the network itself trained on, starting from the linear head on its frozen features.

Images and labels go into a `FineTuner`, predictions come out.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
