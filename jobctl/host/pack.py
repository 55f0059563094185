"""Contents of files packed into frames, many small ones into one, large ones over several. Used on both sides.

A frame is {"parts": [[row, length], ...]} and the bytes one after another; a length below 0: so many zeros, which do
not travel. Rows are those of the request.
"""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

from .partial import PIECE

FRAME = 4 * PIECE
_ZEROS = bytes(PIECE)
_PARTS = 4096

Part = Tuple[int, memoryview, int]
"""Which row, its bytes (empty: zeros), how many they are."""


class Pack:
    """Fills frames and gives each to `send(payload, parts)` when it is full."""

    def __init__(self, send: Callable[[bytes, List[List[int]]], None]) -> None:
        self._send = send
        self._parts: List[List[int]] = []
        self._pieces: List[bytes] = []
        self._size = 0

    def add(self, row: int, data: bytes) -> None:
        """The next bytes of a row, FRAME at most."""
        if any(data[at : at + 64] == _ZEROS[: min(64, len(data) - at)] for at in range(0, len(data), PIECE)):
            for at in range(0, len(data), PIECE):
                piece = data[at : at + PIECE]
                self._add(row, b"" if piece == _ZEROS[: len(piece)] else piece, len(piece))
        elif data:
            self._add(row, data, len(data))
        if self._size >= FRAME or len(self._parts) >= _PARTS:
            self.flush()

    def _add(self, row: int, data: bytes, length: int) -> None:
        last = self._parts[-1] if self._parts else None
        if not data:
            length = -length
        if last and last[0] == row and (last[1] < 0) == (length < 0):
            last[1] += length
        else:
            self._parts.append([row, length])
        if data:
            self._pieces.append(data)
            self._size += len(data)

    def flush(self) -> None:
        """Send what has gathered."""
        if self._parts:
            self._send(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces), self._parts)
        self._parts, self._pieces, self._size = [], [], 0


def unpack(parts: Any, payload: bytes, rows: int) -> List[Part]:
    """The parts of a frame. Raises ValueError where they are none, or not what the payload has."""
    found: List[Part] = []
    view = memoryview(payload)
    if not isinstance(parts, list) or not parts:
        raise ValueError("a frame without parts")
    for part in parts:
        if not isinstance(part, list) or [type(value) for value in part] != [int, int] or not 0 <= part[0] < rows:
            raise ValueError("not a part: %r" % (part,))
        row, length = part
        found.append((row, view[: max(0, length)], abs(length)))
        if len(found[-1][1]) < length:
            raise ValueError("parts that are longer than the frame")
        view = view[max(0, length) :]
    if view:
        raise ValueError("a frame that is longer than its parts")
    return found
