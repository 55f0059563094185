"""Contents of files as they come in frames: many small ones in one frame, large ones over several.

The small ones are written by several threads. To make a file waits for the disk or for a server (0.6 ms on ext4 on a
virtual disk, measured; a round trip on NFS), and four threads wait at the same time: there 2 to 4 times faster. On a
file system in memory they are as fast as one.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Set, Tuple

from .incoming import Incoming
from .manifests import Row, inflate
from .objects import ObjectStore
from .server import OpError

_THREADS = 4
_FEW = 8  # are written as fast without threads
_FRAME = 64 << 20  # no frame holds more, compressed or not


class Arrivals:
    """Takes what of `wanted` (index in the manifest -> row) comes; `whole` says what has come."""

    def __init__(self, store: ObjectStore, wanted: Dict[int, Row]) -> None:
        self.whole: Set[int] = set()
        self._store = store
        self._wanted = wanted
        self._open: Optional[Tuple[int, Incoming, int]] = None
        self._pool: Optional[ThreadPoolExecutor] = None
        self._writing: List[Future[None]] = []

    @property
    def complete(self) -> bool:
        """All that is wanted has come."""
        return len(self.whole) == len(self._wanted)

    def take(self, header: Dict[str, Any], payload: bytes) -> int:
        """One frame; how many bytes of contents it had. Raises OpError for a content that is not what was announced."""
        if header.get("plain"):
            payload = inflate(payload, min(int(header["plain"]), _FRAME))
        small: List[Tuple[int, bytes]] = []
        at = 0
        for index, length in header["parts"]:
            piece = payload[at : at + length]
            at += length
            if index not in self._wanted or index in self.whole:
                continue
            if self._open is None and length == self._wanted[index].size:
                small.append((index, piece))
                self.whole.add(index)
            else:
                self._add(index, piece)
        self._write(small)
        return len(payload)

    def settle(self) -> None:
        """Wait until all that came is written. Raises what went wrong."""
        writing, self._writing = self._writing, []
        for future in writing:
            future.result()
        if writing:
            self._store.tell_more()

    def close(self) -> None:
        """What is not whole goes."""
        if self._open is not None:
            self._open[1].discard()
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _write(self, small: List[Tuple[int, bytes]]) -> None:
        self.settle()  # of the frame before: one is written while the next one comes, memory holds no more
        if len(small) <= _FEW:
            self._write_some(small)
            return self._store.tell_more()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS)
        for start in range(_THREADS):
            self._writing.append(self._pool.submit(self._write_some, small[start::_THREADS]))

    def _write_some(self, small: List[Tuple[int, bytes]]) -> None:
        for index, content in small:
            row = self._wanted[index]
            if not self._store.add(row.content, row.kind == "x", content):
                raise _changed(row)

    def _add(self, index: int, piece: bytes) -> None:
        row = self._wanted[index]
        if self._open is None or self._open[0] != index:
            if self._open is not None:
                self._open[1].discard()
            self._open = (index, Incoming(self._store, row.content, row.size, row.kind == "x"), row.size)
        _, incoming, left = self._open
        incoming.write(piece)
        left -= len(piece)
        self._open = (index, incoming, left)
        if left <= 0:
            self._open = None
            if not incoming.finish():
                raise _changed(row)
            self.whole.add(index)


def _changed(row: Row) -> OpError:
    hint = "a file that is written to while it is sent? submit again"
    return OpError("transfer", "a file changed on the way: %s" % row.path, hint=hint)
