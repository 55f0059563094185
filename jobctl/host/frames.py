"""Frames of the host channel: an 8-byte head, a JSON object, raw bytes. Used by both sides.

uint32 big-endian  length of the JSON part     (at most MAX_HEADER)
uint32 big-endian  length of the binary part   (at most MAX_PAYLOAD)
"""

from __future__ import annotations

import json
import struct
from typing import Any, Callable, Dict, Optional, Tuple

HEAD = struct.Struct(">II")
MAX_HEADER = 4 << 20
MAX_PAYLOAD = 64 << 20
CHUNK = 256 << 10
"""Size of the pieces in which file contents travel."""

BEAT_S = 5.0
"""Both sides send an empty frame at least this often."""
SILENCE_S = 25.0
"""A peer from which nothing came for so long is gone."""

Header = Dict[str, Any]
Frame = Tuple[Header, bytes]


class FrameError(Exception):
    """Bytes that are not a frame: a broken peer, or something else writing into the channel."""


def encode(header: Header, payload: bytes = b"") -> bytes:
    """One frame as bytes. Lone surrogates in strings (undecodable file names) survive as JSON escapes."""
    return encode_head(header, len(payload)) + payload


def encode_head(header: Header, payload_size: int) -> bytes:
    """What of a frame comes before its raw bytes."""
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    if len(text) > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise FrameError("frame too large: %d + %d bytes" % (len(text), payload_size))
    return HEAD.pack(len(text), payload_size) + text


def read_frame(read_exactly: Callable[[int], bytes]) -> Optional[Frame]:
    """The next frame, or None at a clean end. `read_exactly(n)` gives n bytes, or fewer at the end of the stream."""
    head = read_exactly(HEAD.size)
    if not head:
        return None
    if len(head) < HEAD.size:
        raise FrameError("the stream ends inside a frame")
    header_size, payload_size = HEAD.unpack(head)
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise FrameError("not a frame: it begins with %r" % head)
    text = read_exactly(header_size)
    payload = read_exactly(payload_size) if payload_size else b""
    if len(text) < header_size or len(payload) < payload_size:
        raise FrameError("the stream ends inside a frame")
    try:
        header = json.loads(text.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise FrameError("not a frame: %s" % error) from None
    if not isinstance(header, dict):
        raise FrameError("not a frame: the JSON part is no object")
    if not isinstance(header.get("id", 0), int):
        raise FrameError("not a frame: its id is no number")
    return header, payload
