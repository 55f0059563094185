"""Sends the contents of a large tree by hash, over all lanes: small files packed, large ones in ranges.

What is on the host already, and what of a large file has arrived before a cut, is not sent.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobctl.errors import TransferError
from jobctl.host.pack import FRAME, Pack
from jobctl.host.partial import PIECE
from jobctl.laptop.tree_source import TreeSource
from jobctl.plan.manifest import Entry
from jobctl.remote.answers import Answer, misunderstood
from jobctl.remote.channel import Exchange, HostChannel
from jobctl.remote.lanes import Lanes, Moved
from jobctl.remote.spans import SMALL_BYTES, Span, cut, packs

_WORTH_BYTES = 8 << 20
"""Less goes with the list of files, in fewer round trips."""
_AHEAD = 2  # frames under way that the host has not confirmed, for each of two threads a connection

Progress = Callable[[int, int], None]
"""Called with (bytes sent, bytes to send)."""


@dataclass(frozen=True)
class Bulk:
    """How much went."""

    files: int
    size_bytes: int


def send_bulk(lanes: Lanes, tree: TreeSource, progress: Progress) -> Bulk:
    """Make the host's store have the contents of `tree`, where they are many. Raises TransferError, HostErrors."""
    entries = [entry for entry in tree.manifest.entries if entry.kind != "l" and tree.file(entry) is not None]
    if sum(entry.size for entry in entries) < _WORTH_BYTES:
        return Bulk(0, 0)
    holes = _ask_missing(lanes.channel, entries)
    wanted = [entries[index] for index in holes]
    if not wanted:
        return Bulk(0, 0)
    spans = [span for index, ranges in holes.items() for span in _spans(entries[index], ranges)]
    sending = _Sending(tree, progress, sum(entry.size for entry in wanted), sum(span.size for span in spans))
    with lanes.channel.exchange("objects_finish", _pack_rows(wanted)) as finish:
        lanes.carry(packs(spans), sending.send, sending.left_bytes)
        finish.send(done=True)
        changed = Answer(lanes.channel.host, finish.receive().header).indexes("changed", len(wanted))
    if changed:
        raise _changed(wanted[changed[0]])
    return Bulk(len(wanted), sending.left_bytes)


def _pack_rows(entries: list[Entry]) -> bytes:
    rows = [[entry.content, entry.kind == "x", entry.size] for entry in entries]
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode("ascii"), 1)


Ranges = list[tuple[int, int]]


def _ask_missing(channel: HostChannel, entries: list[Entry]) -> dict[int, Ranges | None]:
    """Index -> what of it is missing (None: all)."""
    found: dict[int, Ranges | None] = {}
    with channel.exchange("objects_missing", _pack_rows(entries)) as exchange:
        for header, _ in exchange:
            for row in Answer(channel.host, header).items("missing"):
                index, ranges = _parse_missing(channel.host, row, entries)
                found[index] = ranges
    return found


def _parse_missing(host: str, row: object, entries: list[Entry]) -> tuple[int, Ranges | None]:
    match row:
        case [int(index), None] if 0 <= index < len(entries):
            return index, None
        case [int(index), [*ranges]] if 0 <= index < len(entries):
            checked: Ranges = []
            for found in ranges:
                match found:
                    case [int(start), int(end)] if 0 <= start < end <= entries[index].size and start % PIECE == 0:
                        checked.append((start, end))
            if len(checked) == len(ranges):
                return index, checked
    raise misunderstood(host, f"missing: {row!r}")


def _spans(entry: Entry, ranges: Ranges | None) -> list[Span]:
    if entry.size <= SMALL_BYTES:
        return [Span(entry, 0, entry.size)]
    holes = [(0, entry.size)] if ranges is None else ranges
    return [part for start, end in holes for part in cut(Span(entry, start, end))]


class _Sending:
    def __init__(self, tree: TreeSource, progress: Progress, total: int, left_bytes: int) -> None:
        self._tree = tree
        self._progress = progress
        self._total = total
        self._lock = threading.Lock()
        self._here = total - left_bytes
        self.left_bytes = left_bytes
        progress(self._here, total)  # a rate is measured from here on

    def send(self, channel: HostChannel, pack: list[Span], moved: Moved) -> None:
        """One request's worth."""
        rows = [[span.entry.content, span.entry.kind == "x", span.entry.size, span.start, span.end] for span in pack]
        with channel.exchange("objects_put", rows=rows) as exchange:
            stream = _Stream(channel.host, exchange, lambda size: self._moved(size, moved))
            frames = Pack(stream.send)
            for row, span in enumerate(pack):
                for piece in self._read(span):
                    frames.add(row, piece)
            frames.flush()
            changed = stream.end(len(rows))
        if changed:
            raise _changed(pack[changed[0]].entry)

    def _moved(self, size: int, moved: Moved) -> None:
        with self._lock:
            self._here += size
            self._progress(min(self._here, self._total), self._total)
        moved(size)

    def _read(self, span: Span) -> Iterator[bytes]:
        path = self._tree.file(span.entry)
        assert path is not None
        at = span.start
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(at)
                while at < span.end and (piece := file.read(min(FRAME, span.end - at))):
                    at += len(piece)
                    yield piece
        except OSError as error:
            raise TransferError(f"cannot read a file any more: {error.strerror}", where=span.entry.path) from None
        if at < span.end:
            raise TransferError("a file became shorter while it was sent", where=span.entry.path, hint="submit again")


class _Stream:
    """Frames that go, and their confirmations."""

    def __init__(self, host: str, exchange: Exchange, moved: Moved) -> None:
        self._host = host
        self._exchange = exchange
        self._moved = moved
        self._ahead = 0
        self._confirmed = 0

    def send(self, payload: bytes, parts: list[list[int]]) -> None:
        self._exchange.send(payload, parts=parts)
        self._ahead += 1
        if self._ahead > _AHEAD:
            self._hear()

    def _hear(self) -> None:
        received = Answer(self._host, self._exchange.receive().header).integer("received")
        self._ahead -= 1
        self._moved(received - self._confirmed)
        self._confirmed = received

    def end(self, rows: int) -> list[int]:
        while self._ahead:
            self._hear()
        self._exchange.send(done=True)
        return Answer(self._host, self._exchange.receive().header).indexes("changed", rows)


def _changed(entry: Entry) -> TransferError:
    return TransferError(
        f"a file changed on the way: {entry.path}", hint="a file that is written to while it is sent? submit again"
    )
