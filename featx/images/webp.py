"""The first frame of a WebP, read with less memory than Pillow takes by itself."""

from PIL.WebPImagePlugin import WebPImageFile


class FirstFrame(WebPImageFile):
    """Pillow's reader, which lets go of the decoder's two canvases before the picture is made of the frame.

    A frame of 179 million pixels lay in memory four times: 2.8 GB. No other frame is wanted.
    """

    def load_prepare(self) -> None:
        """Make room for the pixels of the picture: Pillow calls it when it has those of the frame."""
        self._decoder = None
        super().load_prepare()
