"""Brings files of a run: small ones packed, large ones in ranges, over all lanes; verified while they arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from jobctl.errors import TransferError
from jobctl.host.pack import Part, unpack
from jobctl.host.partial import PIECE, Overtaken, Partial
from jobctl.laptop.pulled import Arriving, PullTarget, keep_small
from jobctl.plan.manifest import Entry
from jobctl.remote.answers import Answer, misunderstood
from jobctl.remote.channel import HostChannel
from jobctl.remote.finishing import Finishing
from jobctl.remote.lanes import Lanes, Moved

Progress = Callable[[str, int, int], None]
"""Called with ("pull", bytes here, bytes in all)."""

_SMALL = 1 << 20
"""Up to this size a file is kept in memory until it is whole."""
_SPAN = 16 << 20
_PACK_BYTES, _PACK_FILES = 4 << 20, 256
_AT_ONCE = 128  # files that are open
_WINDOW = 4  # frames of a megabyte that may wait for the disk, for each of two threads of each of five connections


@dataclass(frozen=True)
class Span:
    """A range of a file that is to be fetched."""

    entry: Entry
    start: int
    end: int


class Fetch:
    """Brings sets of files of one run. `total`: bytes, for who watches. `size_bytes`: of what is whole."""

    def __init__(self, lanes: Lanes, run_id: str, target: PullTarget, total: int, progress: Progress) -> None:
        self._lanes = lanes
        self._run_id = run_id
        self._target = target
        self._total = total
        self._progress = progress
        self._lock = threading.Lock()
        self._here = 0
        self._arriving: dict[Entry, Arriving] = {}
        self._late: set[Entry] = set()
        self._whole: set[Entry] = set()

    @property
    def size_bytes(self) -> int:
        return sum(entry.size for entry in self._whole)

    def all(self, entries: Iterable[Entry]) -> list[Entry]:
        """Bring these, each kept as soon as it is whole. Returns what has changed since it was listed."""
        wanted = list(dict.fromkeys(entries))
        large = [entry for entry in wanted if entry.size > _SMALL]
        small = [entry for entry in wanted if entry.size <= _SMALL]
        for at in range(0, max(1, len(large)), _AT_ONCE):
            self._bring_all(large[at : at + _AT_ONCE] + small, together=False)
            small = []
        return [entry for entry in wanted if entry not in self._whole]

    def together(self, entries: Iterable[Entry]) -> bool:
        """Bring these, or none of them: they get their names when all of them are here and verified."""
        wanted = list(dict.fromkeys(entries))
        self._bring_all(wanted, together=True)
        return self._whole.issuperset(wanted)

    def _bring_all(self, wanted: list[Entry], *, together: bool) -> None:
        large = [entry for entry in wanted if together or entry.size > _SMALL]
        self._late.difference_update(wanted)
        before = set(self._whole)
        finishing = Finishing(self._target, self._late, self._whole)
        try:
            self._arriving = {entry: Arriving(self._target, entry) for entry in large}
            spans = [span for entry in wanted for span in self._missing(Span(entry, 0, entry.size))]
            left = sum(span.end - span.start for span in spans)
            self._here += sum(entry.size for entry in wanted) - left
            with finishing.watch(self._arriving.values(), together=together):
                self._lanes.carry(_packs(spans), self._bring, left)
        finally:
            for arriving in self._arriving.values():
                arriving.partial.close()
            self._target.remember(self._whole - before)

    def _missing(self, span: Span) -> Iterator[Span]:
        """What of a range is not here."""
        arriving = self._arriving.get(span.entry)
        if arriving is None:
            if span.entry not in self._whole:
                yield span
            return
        for start, end in arriving.partial.missing():
            start, end = max(start, span.start), min(end, span.end)
            for at in range(start, end, _SPAN):
                yield Span(span.entry, at, min(at + _SPAN, end))

    def _bring(self, channel: HostChannel, pack: list[Span], moved: Moved) -> None:
        spans = [part for span in pack for part in self._missing(span)]
        takers = [self._make_taker(span) for span in spans]
        files = [[span.entry.path, span.start, span.end] for span in spans]
        short: list[int] = []
        with channel.exchange("fetch", window=_WINDOW, run_id=self._run_id, files=files) as exchange:
            for header, payload in exchange:
                if not header.get("more"):
                    short = Answer(channel.host, header).indexes("short", len(spans))
                    continue
                size = 0
                for row, data, length in _parts(channel.host, header.get("parts"), payload, len(spans)):
                    takers[row].take(data, length)
                    size += length
                self._tell(size)
                moved(size)
        for row, taker in enumerate(takers):
            if row in short:
                self._late.add(taker.entry)
            else:
                taker.end()

    def _tell(self, size: int) -> None:
        with self._lock:
            self._here += size
            self._progress("pull", self._here, max(self._here, self._total))

    def _make_taker(self, span: Span) -> Taker:
        if arriving := self._arriving.get(span.entry):
            return Taker(span, arriving.partial)
        return SmallTaker(span, self._keep_small)

    def _keep_small(self, entry: Entry, data: bytes) -> None:
        whole = keep_small(self._target, entry, data)
        (self._whole if whole else self._late).add(entry)


class Taker:
    """What comes of one range of a large file, put in its place piece by piece."""

    def __init__(self, span: Span, partial: Partial | None) -> None:
        self.entry = span.entry
        self._partial = partial
        self._at, self._end = span.start, span.end
        self._buffer = bytearray()

    def take(self, data: memoryview, length: int) -> None:
        """The next bytes; without data: so many zeros. Raises TransferError for more than was asked for."""
        if length > self._end - self._at - len(self._buffer):
            raise TransferError("the host sends more than it announced: refused", where=self.entry.path)
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

    def _put(self, data: memoryview, length: int) -> None:
        assert self._partial is not None
        try:
            if data:
                self._partial.put(self._at, data)
            else:
                self._partial.put_zeros(self._at, length)
        except Overtaken:  # by another pull of the same; `Finishing` looks what came of it
            pass
        self._at += length

    def end(self) -> None:
        """Nothing more comes. Raises TransferError where something is missing."""
        if self._at < self._end:
            raise TransferError("the host sends less than it announced", where=self.entry.path, hint="pull again")


class SmallTaker(Taker):
    """The same for a small file, which is kept when it is whole."""

    def __init__(self, span: Span, keep: Callable[[Entry, bytes], None]) -> None:
        super().__init__(span, None)
        self._keep = keep
        self._data = bytearray()
        if not span.entry.size:
            keep(span.entry, b"")

    def _put(self, data: memoryview, length: int) -> None:
        self._data += data or bytes(length)
        self._at += length
        if self._at == self._end:
            self._keep(self.entry, bytes(self._data))


def _parts(host: str, parts: object, payload: bytes, rows: int) -> list[Part]:
    try:
        return unpack(parts, payload, rows)
    except ValueError as error:
        raise misunderstood(host, str(error)) from None


def _packs(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Ranges that are asked for in one request."""
    pack: list[Span] = []
    size = 0
    for span in spans:
        if pack and (size + span.end - span.start > _PACK_BYTES or len(pack) >= _PACK_FILES):
            yield pack
            pack, size = [], 0
        pack.append(span)
        size += span.end - span.start
    if pack:
        yield pack
