"""A PNG writer for 8-bit pictures: enough for the demo's images and labels, with nothing to install."""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}  # channels -> PNG colour type: 0 is greyscale, 2 is RGB (PNG specification, 11.2.2)


def make_png(pixels: bytes, width: int, height: int) -> bytes:
    """The PNG file of `pixels`: rows from the top, 1 byte a pixel (greyscale) or 3 (RGB).

    The number of channels follows from the length. Raises ValueError when it is not 1 or 3.
    """
    channels, rest = divmod(len(pixels), width * height)
    if rest or channels not in _COLOUR_TYPES:
        raise ValueError(f"{len(pixels)} bytes are not {width}x{height} pixels of 1 or 3 channels")
    stride = width * channels
    rows = b"".join(b"\0" + pixels[start : start + stride] for start in range(0, len(pixels), stride))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
