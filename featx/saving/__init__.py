"""A fitted pipeline, or a table of embeddings, as files.

`save` and `load` keep a pipeline as a folder without pickle; `write_embeddings` and `export_recipe` write vectors as
CSV, Parquet, NumPy or HDF5.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
