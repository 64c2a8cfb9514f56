"""Embeddings → answers: the models that are fitted on embeddings.

Vectors (n, d) and targets `y` enter, fitted scikit-learn estimators leave. `make_head` makes one by name, with defaults
that suit embeddings; `search_space` lists the settings worth searching.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
