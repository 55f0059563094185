"""The bytes of one range of a file, as they come, put in their place. Used by whoever receives, on both sides."""

from __future__ import annotations

from typing import Callable

from .partial import PIECE, Overtaken, Partial


class Taker:
    """A range of a large file, from `at` up to `end`."""

    def __init__(self, at: int, end: int, partial: Partial) -> None:
        self._at, self._end = at, end
        self._buffer = bytearray()
        self._partial = partial

    def take(self, data: memoryview, length: int) -> None:
        """The next bytes; without data: so many zeros. Raises ValueError for more than was announced, OSError."""
        if length > self._end - self._at - len(self._buffer):
            raise ValueError("more than was announced")
        while length:
            piece = min(PIECE, self._end - self._at)
            if not self._buffer and length >= piece:
                step = length if length == self._end - self._at else length - length % PIECE
                self._put(data[:step], step)
            else:
                step = min(length, piece - len(self._buffer))
                self._buffer += data[:step] or bytes(step)
                if len(self._buffer) == piece:
                    self._put(memoryview(bytes(self._buffer)), piece)
                    self._buffer.clear()
            data, length = data[step:], length - step

    @property
    def is_done(self) -> bool:
        """Whether all has come."""
        return self._at == self._end

    def _put(self, data: memoryview, length: int) -> None:
        try:
            if data:
                self._partial.put(self._at, data)
            else:
                self._partial.put_zeros(self._at, length)
        except Overtaken:  # whoever waits for the end of the file looks what came of it
            pass
        self._at += length


class SmallTaker(Taker):
    """The same for a whole small file, which is given to `keep` when it is here."""

    def __init__(self, size: int, keep: Callable[[bytes], None]) -> None:
        self._at, self._end = 0, size
        self._buffer = bytearray()
        self._keep = keep
        self._data = bytearray()
        if not size:
            keep(b"")

    def _put(self, data: memoryview, length: int) -> None:
        self._data += data or bytes(length)
        self._at += length
        if self._at == self._end:
            self._keep(bytes(self._data))
