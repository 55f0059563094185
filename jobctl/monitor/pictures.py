"""Pictures for a report: a prediction gets the palette of Cityscapes, without a pixel being decoded. Pure.

PaddleSeg's `infer.py` writes a PNG whose pixels are class numbers, with a palette of its own (2.9.0, the one of VOC).
Only that palette is exchanged.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator

from jobctl.monitor.cityscapes import CLASSES

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTED = 3  # colour type, PNG specification, 11.2.2
_IGNORED = bytes(3)


def kind_of(data: bytes) -> str | None:
    """The media type of a picture that every browser shows; None for anything else."""
    if data.startswith(SIGNATURE):
        return "image/png"
    return "image/jpeg" if data.startswith(b"\xff\xd8\xff") else None


def data_uri(data: bytes) -> str | None:
    """The picture as an address that needs no network; None where it is no picture."""
    kind = kind_of(data)
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}" if kind else None


def with_cityscapes_palette(data: bytes) -> bytes | None:
    """The same PNG in the colours of Cityscapes; None where its pixels are no class numbers."""
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13 or chunks[0][1][9] != _PALETTED:
        return None
    colours = b"".join(bytes(colour) for _, colour in CLASSES)
    bits = chunks[0][1][8]
    palette = (colours + _IGNORED * 256)[: 3 * min(256, 1 << bits)]
    kept = [(kind, palette if kind == b"PLTE" else body) for kind, body in chunks if kind != b"tRNS"]
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in kept)


def size_of(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a PNG."""
    head = next(_chunks(data), (b"", b""))
    if head[0] != b"IHDR" or len(head[1]) != 13:
        return None
    width, height = struct.unpack(">II", head[1][:8])
    return int(width), int(height)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) up to the end, or to what is no chunk."""
    if not data.startswith(SIGNATURE):
        return
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
