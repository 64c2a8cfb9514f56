"""Images as people have them → uint8 pixels of one size.

Folders and tables become paths and labels (`load_folder`, `load_table`); paths, bytes, Pillow images and arrays become
sources (`as_sources`); sources become upright RGB pixels of the network's size. Small sets of images that need no
download are here, too (`digits`, `synthetic`, `photographs`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
