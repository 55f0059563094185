"""Is this PNG whole? Checked by its own checksums, without decoding a pixel (PNG specification, 5 and 11.2.2)."""

import struct
import zlib
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = {0: "greyscale", 2: "RGB", 3: "palette", 4: "greyscale with alpha", 6: "RGB with alpha"}


class Header(NamedTuple):
    """What a PNG says of itself."""

    width: int
    height: int
    depth: int
    colour_type: int

    @property
    def is_index_map(self):
        """One byte a pixel that a reader hands on as it is: 8-bit greyscale, or 8-bit indices into a palette."""
        return self.depth == 8 and self.colour_type in (0, 3)

    @property
    def kind(self):
        """For people, such as `8-bit RGB`."""
        return "{}-bit {}".format(self.depth, KINDS.get(self.colour_type, f"colour type {self.colour_type}"))


def check_png(path):
    """The header of a whole PNG. Raises OSError, or ValueError that says what is broken."""
    with open(path, "rb") as file:
        data = file.read()
    if not data:
        raise ValueError("is empty")
    if not data.startswith(SIGNATURE):
        raise ValueError("is not a PNG file")
    at, header = len(SIGNATURE), None
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ValueError("is damaged (checksum of chunk {} at byte {})".format(kind.decode("latin-1"), at))
        if kind == b"IHDR" and length == 13:
            header = Header(*struct.unpack_from(">IIBB", data, at + 8))
        if kind == b"IEND" and header is not None:
            return header
        at = end
    raise ValueError(f"is cut off after {len(data)} bytes")
