"""What a TIFF file says of its numbers and of the parts they lie in, and why they cannot be pixels."""

from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    STRIPBYTECOUNTS,
    TILEBYTECOUNTS,
    TILELENGTH,
    TILEWIDTH,
    TiffImageFile,
)

from featx.errors import InputError

_WHITE_IS_ZERO, _SIGNED, _PLANES = 0, 2, 2  # TIFF 6.0, tags 262, 339 and 284
_ADVICE = "; read it into an array and pass that with its value_range"


def check_parts(image: TiffImageFile, file_bytes: int, most_pixels: int) -> None:
    """Check the strips or tiles of a file before one call of Pillow decodes them all, and nothing can end it.

    Raises
    ------
    InputError
        If they hold more bytes than the file, so that some are decoded again and again, or more pixels than a picture
        within the limits needs.
    """
    tags, (width, height) = image.tag_v2, image.size
    for tag in (STRIPBYTECOUNTS, TILEBYTECOUNTS):
        parts = tags.get(tag, ())
        if len(parts) > 1 and sum(parts) > file_bytes:
            raise InputError(
                f"has {len(parts):,} parts of {sum(parts):,} bytes in a file of {file_bytes:,}; if it is not an "
                "attack, save it anew with another program"
            )
    across, down = tags.get(TILEWIDTH), tags.get(TILELENGTH)
    if across and down and -(-width // across) * across * -(-height // down) * down > most_pixels:
        raise InputError(
            f"has tiles of {across}x{down} pixels for a picture of {width}x{height}; save it anew with other tiles"
        )


def black_and_white(image: TiffImageFile) -> tuple[float, float]:
    """Give the numbers of a grey picture that stand for black and for white; white is the smaller one in a negative.

    Pillow turns negatives of up to eight bits itself, and no others.

    Raises
    ------
    InputError
        If Pillow would take the numbers for others than they are.
    """
    tags = image.tag_v2
    bits, form = tags.get(BITSPERSAMPLE, (1,))[0], tags.get(SAMPLEFORMAT, (1,))[0]
    if form == _SIGNED and bits < 32:
        raise InputError(f"has signed numbers of {bits} bits, for which black and white are unknown{_ADVICE}")
    if tags.get(PLANAR_CONFIGURATION, 1) == _PLANES and bits != 8:
        raise InputError(
            f"has {bits} bits per colour in planes, of which Pillow takes the wrong ones; save it with its colours "
            "pixel by pixel"
        )
    if bits == 32 and tags.prefix == b"MM" and image.tile and image.tile[0].codec_name == "libtiff":
        raise InputError(
            "has compressed numbers of 32 bits, the highest byte first, which Pillow reads backwards"
        )
    white = 255 if image.mode == "F" else 4095 if bits == 12 else 65535
    return (white, 0) if tags.get(PHOTOMETRIC_INTERPRETATION, 0) == _WHITE_IS_ZERO else (0, white)
