"""What a depth sees, as arrays and as pictures.

A network or a fitted pipeline enters, and images. `strongest_maps` gives what each stage answers to an image,
`maximise` the image that a channel answers most to, `dream` a photograph with what a depth sees in it, and
`class_activation` the pixels that spoke for an answer. `write_picture` writes them as PNG.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
