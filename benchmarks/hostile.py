"""What a hostile image file can cost: processor time and memory, of one file each in a process of its own.

    python benchmarks/hostile.py

Each file claims as many pixels as are allowed, in as few bytes as its format needs for that, or holds a
million parts that mean nothing. Takes two minutes and 5 GB, on Linux.
"""

import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from featx.errors import InputError
from featx.images.decoding import MAX_PIXELS, MAX_SCANS
from featx.images.resizing import to_size

SIDE = int(MAX_PIXELS**0.5)


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    print(f"{'file':50}{'MB':>8}{'seconds':>10}{'GB':>8}  outcome")
    for name in FILES:
        subprocess.run([sys.executable, __file__, name], check=True)


def measure(name: str) -> None:
    file = FILES[name]()
    Path("/proc/self/clear_refs").write_text("5")  # forgets what it took to forge the file
    child = peak()
    started = time.process_time()
    try:
        to_size(file, (224, 224))
        outcome = "decoded"
    except InputError as error:
        outcome = str(error)[:60]
    seconds = time.process_time() - started
    memory = (peak() - child) / 1e6
    print(f"{name:50}{len(file) / 1e6:8.2f}{seconds:10.1f}{memory:8.2f}  {outcome}", flush=True)


def peak() -> int:
    """Give the most memory that this process has held, in KB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def jpeg(count: int, side: int = SIDE) -> bytes:
    """Forge a progressive JPEG whose later scans say in 290 bytes each that nothing changes."""

    def segment(marker: int, body: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    def scan(selection: bytes, data: bytes) -> bytes:
        return segment(0xDA, b"\1\1\0" + selection) + data

    tables = ((0x00, 0, 1, 2), (0x10, 0xE0, 0, 1))
    codes = [segment(0xC4, bytes([kind, 0, 0, 0, 3, *[0] * 12, *values])) for kind, *values in tables]
    runs = ("0000" + "1" * 14) * -(-(((side + 7) // 8) ** 2) // (2**15 - 1))  # of 32,767 blocks each
    runs += "1" * (-len(runs) % 8)
    data = int(runs, 2).to_bytes(len(runs) // 8, "big").replace(b"\xff", b"\xff\0")
    head = segment(0xC2, struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0))
    scans = scan(b"\0\0\0", b"") + scan(b"\1\x3f\1", data) + scan(b"\1\x3f\x10", data) * (count - 2)
    return b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64) + head + b"".join(codes) + scans + b"\xff\xd9"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, *, extra: bytes = b"") -> bytes:
    channels = {0: 1, 2: 3, 6: 4}[colour]
    squeeze = zlib.compressobj(1)
    row = bytes(1 + width * channels * depth // 8)
    packed = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def bmp(data: bytes) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(data), 0, 0, 256, 0) + bytes(1024)
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(data), 0, 0, 14 + len(header)) + header + data


def tiles(side: int, scans: int = 0) -> bytes:
    """Forge a TIFF in which each pixel is a tile of its own; with scans, all of them are the same JPEG."""
    stream = jpeg(scans, 1) if scans else bytes(8)
    values = {256: side, 257: side, 258: 8, 259: 7 if scans else 1, 262: 1, 277: 1, 322: 1, 323: 1}
    offsets = 8 + len(stream) + len(stream) % 2
    counts = offsets + 4 * side**2
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    entries += struct.pack("<HHII", 324, 4, side**2, offsets) + struct.pack("<HHII", 325, 4, side**2, counts)
    where = counts + 4 * side**2
    return (
        b"II*\0" + struct.pack("<I", where) + stream + bytes(len(stream) % 2)
        + np.full(side**2, 8, "<u4").tobytes() + np.full(side**2, len(stream) if scans else 1, "<u4").tobytes()
        + struct.pack("<H", len(values) + 2) + entries + bytes(4)
    )  # fmt: skip


def saved(mode: str, kind: str, **options: object) -> bytes:
    file = BytesIO()
    Image.new(mode, (SIDE, SIDE)).save(file, kind, **options)
    return file.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    f"JPEG, {MAX_SCANS} scans": lambda: jpeg(MAX_SCANS),
    f"JPEG, {50 * MAX_SCANS} scans": lambda: jpeg(50 * MAX_SCANS),
    "PNG, RGB": lambda: png(SIDE, SIDE, 8, 2),
    "PNG, 16 bit RGB and transparency": lambda: png(SIDE, SIDE, 16, 6),
    "PNG, 16 bit grey": lambda: png(SIDE, SIDE, 16, 0),
    "PNG, one pixel wide": lambda: png(1, SIDE**2, 8, 0),
    "PNG, 800,000 empty chunks": lambda: png(8, 8, 8, 2, extra=chunk(b"abcd", b"") * 800_000),
    "PNG, 63 texts of 1 MiB": lambda: png(
        8, 8, 8, 2, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20))) * 63
    ),
    "WebP, transparent": lambda: saved("RGBA", "WebP", lossless=True, method=0),
    "TIFF, deflated numbers of 32 bit": lambda: saved("F", "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, a million tiles": lambda: tiles(1000),
    f"TIFF, 90,000 tiles that are one JPEG of {MAX_SCANS - 1} scans": lambda: tiles(300, MAX_SCANS - 1),
    "AVIF, transparent": lambda: saved("RGBA", "AVIF", speed=10),
    "JPEG 2000": lambda: saved("RGB", "JPEG2000"),
    "PPM, a comment of 50 MB": lambda: b"P6 #" + b"a" * 50_000_000 + b"\n1 1 255\nabc",
    "GIF": lambda: saved("P", "GIF"),
    "BMP, lines of one pixel": lambda: bmp(b"\1\1\0\0" * SIDE),
    "BMP, 4 million empty runs": lambda: bmp(b"\0\0" * 4_000_000),
}


if __name__ == "__main__":
    main()
