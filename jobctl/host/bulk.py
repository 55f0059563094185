"""Contents in bulk, into the object store: by hash, over several connections, each of which may be cut at any byte.

    objects_missing  + rows [sha256, executable, size]
                     -> {"missing": [[row, [[from, to], ...]], ...]}, in one reply or several; ranges only of large ones
                        that are here in part
    objects_put      {rows: [[sha256, executable, size, from, to], ...]}, then frames of `pack`, each answered by
                     {"received": bytes so far}, then {"done": true} -> {"changed": [rows]}
    objects_finish   + rows as above, of all that will be put; after that {"done": true} -> {"changed": [rows]}

A small object comes whole, in one request. A large one comes in ranges, over all connections, into a `Partial` beside
its name; `objects_finish` hashes it meanwhile and names it. What is not what it should be (`changed`) leaves nothing.
Several connections are several processes here: that an object was checked is told by its time, VERIFIED.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from typing import Any, Dict, List, NamedTuple, Optional, Set

from .incoming import Incoming
from .objects import SETTLED, VERIFIED, ObjectStore
from .pack import unpack
from .partial import Overtaken, Partial
from .server import OpError, Request
from .taker import SmallTaker, Taker

SMALL = 1 << 20
_LOOK_S = 0.02
_ROWS = 2000  # in one reply; a frame's header has a limit
_HEX = frozenset("0123456789abcdef")


class Row(NamedTuple):
    """An object that is wanted, or a range of it."""

    sha256: str
    executable: bool
    size: int
    start: int
    end: int


def _rows(given: Any) -> List[Row]:
    """Checked: they become file names. Raises OpError."""
    try:
        rows = [Row(*row) if len(row) == 5 else Row(row[0], row[1], row[2], 0, row[2]) for row in given]
        for row in rows:
            good = len(row.sha256) == 64 and not set(row.sha256) - _HEX and isinstance(row.executable, bool)
            if not good or not 0 <= row.start <= row.end <= row.size:
                raise ValueError(row)
    except (TypeError, ValueError, IndexError) as error:
        raise OpError("transfer", "not an object: %s" % error) from None
    return rows


def _packed_rows(request: Request) -> List[Row]:
    return _rows(json.loads(zlib.decompress(request.payload).decode("ascii")))


def _beside(store: ObjectStore, row: Row) -> str:
    path = store.arriving(row.sha256, row.executable)
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(path)


def missing(request: Request, store: ObjectStore) -> Dict[str, Any]:
    """Which of the objects are not here, each once; and of a large one that is here in part, what is missing."""
    found: List[List[Any]] = []
    seen: Set[Row] = set()
    heard_at = time.monotonic()
    for index, row in enumerate(_packed_rows(request)):
        if row in seen:
            continue
        seen.add(row)
        if not store.has(row.sha256, row.size, row.executable):
            found.append([index, _holes(store, row)])
        if len(found) == _ROWS or time.monotonic() - heard_at > 1.0:
            heard_at = time.monotonic()
            request.reply(missing=found)
            found = []
    return {"missing": found}


def _holes(store: ObjectStore, row: Row) -> Optional[List[List[int]]]:
    if row.size <= SMALL or not os.path.exists(_beside(store, row)):
        return None
    partial = Partial(_beside(store, row), row.size, row.sha256)
    try:
        return [list(hole) for hole in partial.missing()]
    finally:
        partial.close()


def put(request: Request, store: ObjectStore) -> Dict[str, Any]:
    """Small objects, or ranges of large ones."""
    rows = _rows(request.params["rows"])
    changed: List[int] = []
    received = 0
    with contextlib.ExitStack() as stack:
        takers = [_taker(store, index, row, changed, stack) for index, row in enumerate(rows)]
        while True:
            header, payload = request.receive()
            if header.get("done"):
                return {"changed": changed}
            try:
                for index, data, length in unpack(header.get("parts"), payload, len(rows)):
                    takers[index].take(data, length)
                    received += length
            except ValueError as error:
                raise OpError("transfer", str(error)) from None
            request.reply(received=received)


def _taker(store: ObjectStore, index: int, row: Row, changed: List[int], stack: contextlib.ExitStack) -> Taker:
    if row.size > SMALL:
        partial = Partial(_beside(store, row), row.size, row.sha256)
        stack.callback(partial.close)
        return Taker(row.start, row.end, partial)

    def keep(data: bytes) -> None:
        incoming = Incoming(store, row.sha256, row.size, row.executable)
        try:
            incoming.write(data)
            if not incoming.finish():
                changed.append(index)
                return
        finally:
            incoming.discard()
        os.utime(str(store.path(row.sha256, row.executable)), (VERIFIED, VERIFIED))

    return SmallTaker(row.size, keep)


def finish(request: Request, store: ObjectStore) -> Dict[str, Any]:
    """Waits until all the objects are whole; asked for before they are put. Then {"done": true} is sent."""
    rows = _packed_rows(request)
    large = [row for row in rows if row.size > SMALL]
    for row in large:
        if not _is_verified(store, row):
            _finish_large(request, store, row)
    request.receive()  # {"done": true}: small ones have come by then, too
    for row in large:
        if _is_verified(store, row):
            with contextlib.suppress(FileNotFoundError):  # begun anew, when another laptop had just finished it
                os.unlink(_beside(store, row))
    changed = []
    for index, row in enumerate(rows):
        if _is_verified(store, row):
            store.note_fresh(str(store.path(row.sha256, row.executable)))
        else:
            changed.append(index)
    return {"changed": changed}


def _is_verified(store: ObjectStore, row: Row) -> bool:
    try:
        info = os.lstat(str(store.path(row.sha256, row.executable)))
    except FileNotFoundError:
        return False
    return info.st_mtime in (VERIFIED, SETTLED) and info.st_size == row.size


def _finish_large(request: Request, store: ObjectStore, row: Row) -> None:
    target = str(store.path(row.sha256, row.executable))
    partial = Partial(_beside(store, row), row.size, row.sha256)
    try:
        while not partial.hash_on():
            if request.cancelled.is_set():
                return
            time.sleep(_LOOK_S)
        if partial.verify():
            partial.finish(target, 0o555 if row.executable else 0o444, sync=False, mtime=VERIFIED)
    except Overtaken:  # another laptop sends the same
        pass
    finally:
        partial.close()
