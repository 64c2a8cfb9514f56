"""Embeddings → answers.

`make_head` gives an estimator by its name, ready for embeddings; `search_space` what is worth searching in it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
