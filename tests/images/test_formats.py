"""Formats: what is installed here reads the pixels that were written, and what nothing reads is said."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from featx.errors import InputError
from featx.images import formats
from featx.images.decoding import decode
from featx.images.folders import load_folder

SMOOTH = np.add.outer(np.arange(32), np.arange(48))[..., None].astype(np.uint8) * np.uint8([1, 2, 3])
FILES = {
    "MPO": ("JPEG", {"quality": 98}, 8),
    "PPM": ("PPM", {}, 0),
    "JPEG2000": ("JPEG 2000", {}, 0),
    "AVIF": ("AVIF", {"quality": 98}, 12),
}


def written(kind):
    """Write the smooth picture in a format of Pillow's."""
    file = BytesIO()
    Image.fromarray(SMOOTH).save(file, kind, **FILES[kind][1])
    return file.getvalue()


@pytest.mark.parametrize("kind", FILES)
def test_what_pillow_reads_here_is_read(kind):
    """The pixels are those that were written, within what the format loses."""
    name, _, loss = FILES[kind]
    if not formats.readable(name):
        pytest.skip(f"this Pillow was built without {name}")
    file = written(kind)
    assert formats.format_of(file) == name
    assert np.abs(decode(file).astype(int) - SMOOTH).max() <= loss


@pytest.mark.parametrize(
    ("file", "grey"),
    [
        (b"P5 3 1 255\n\0\x80\xff", [0, 128, 255]),
        (b"P5 3 1 4095\n\0\0\x08\0\x0f\xff", [0, 128, 255]),
        (b"P5 2 1 65535\n\0\0\x01\x01", [0, 1]),
        (b"P2 3 1 15\n0 8 15\n", [0, 136, 255]),
        (b"P1\n#a comment\n2 1\n0 1\n", [255, 0]),
    ],
)
def test_grey_of_any_depth_in_a_pgm(file, grey):
    """The largest number is white; in a bitmap one is black."""
    assert decode(file)[0, :, 0].tolist() == grey


def test_a_format_that_nothing_reads_says_what_to_install(monkeypatch):
    """A telephone's HEIC without pillow-heif is neither damaged nor no image."""
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    formats.readable.cache_clear()
    try:
        for brand in (b"heic", b"mif1"):
            with pytest.raises(
                InputError, match=r"^is a HEIC picture, .*; install pillow-heif, or convert it$"
            ):
                decode(b"\0\0\0\x18ftyp" + brand + bytes(12))
        assert ".heic" not in formats.extensions()
    finally:
        formats.readable.cache_clear()


def test_an_avif_is_no_heic():
    """Both may begin alike, and the list of what a file is compatible with tells."""
    assert formats.format_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif") == "AVIF"
    assert formats.format_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic") == "HEIC"


def test_files_of_every_format_are_listed_and_others_are_told(tmp_path):
    """An ending that can be read is an image; what is left out is counted, litter apart."""
    (tmp_path / "a").mkdir()
    for name in ("1.mpo", "2.ppm", "3.PGM", "4.png", "5.psd", "6.psd", "7.txt", "Thumbs.db", ".hidden"):
        (tmp_path / "a" / name).touch()
    table = load_folder(tmp_path)
    assert len(table) == 4
    assert table.left_out == {".psd": 2, ".txt": 1}
    assert "ignored: .psd 2, .txt 1" in repr(table)


def test_a_webp_lets_go_of_its_decoder_before_its_picture_is_made(monkeypatch):
    """A decoder holds two canvases of the whole size, and only one frame is read."""
    held, prepare = [], formats.reader_of("WebP").__mro__[1].load_prepare
    monkeypatch.setattr(
        formats.reader_of("WebP").__mro__[1],
        "load_prepare",
        lambda image: held.append(image._decoder) or prepare(image),
    )
    frames = [Image.fromarray(SMOOTH), Image.new("RGB", SMOOTH.shape[1::-1])]
    file = BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(decode(file.getvalue()), SMOOTH)
    assert held == [None]
