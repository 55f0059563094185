"""Contents of files packed into frames, many small ones into one, large ones over several. Used on both sides."""

from __future__ import annotations

from typing import Any, List, Tuple

from .partial import PIECE

FRAME = 4 * PIECE
_ZEROS = bytes(PIECE)
_PARTS = 4096

Part = Tuple[int, memoryview, int]
"""Which row, its bytes (empty: zeros), how many they are."""


class Pack:
    """Fills frames and sends each when it is full. `request` has `reply(payload, parts=...)`."""

    def __init__(self, request: Any) -> None:
        self._send = request.reply
        self._parts: List[List[int]] = []
        self._pieces: List[bytes] = []
        self._size = 0

    def add(self, row: int, piece: bytes) -> None:
        """The next bytes of a row. PIECE zeros or fewer become a number."""
        if piece == _ZEROS[: len(piece)] and piece:
            self._note(row, -len(piece))
        else:
            self._note(row, len(piece))
            self._pieces.append(piece)
            self._size += len(piece)
        if self._size >= FRAME or len(self._parts) >= _PARTS:
            self.flush()

    def _note(self, row: int, length: int) -> None:
        last = self._parts[-1] if self._parts else None
        if last and last[0] == row and (last[1] < 0) == (length < 0):
            last[1] += length
        else:
            self._parts.append([row, length])

    def flush(self) -> None:
        """Send what has gathered."""
        if self._parts:
            self._send(b"".join(self._pieces), parts=self._parts)
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
