"""Which depth, which strategy: measured, then done.

Images and labels go in. `depth_curve` scores every depth from one pass, `advise` says which case this is, and
`TransferClassifier` compares whole strategies and keeps the best.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
