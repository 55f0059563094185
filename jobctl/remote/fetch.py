"""Brings files of a run: small ones packed, large ones in ranges, over all lanes; verified while they arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from jobctl.errors import TransferError
from jobctl.host.pack import Part, unpack
from jobctl.host.taker import SmallTaker, Taker
from jobctl.laptop.pulled import Arriving, PullTarget, keep_small
from jobctl.plan.manifest import Entry
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.remote.finishing import Finishing
from jobctl.remote.lanes import Lanes, Moved
from jobctl.remote.spans import SMALL_BYTES, Span, cut, packs

Progress = Callable[[str, int, int], None]
"""Called with ("pull", bytes here, bytes in all)."""

_AT_ONCE = 128  # files that are open
_WINDOW = 2  # frames of a megabyte that may wait for the disk, of each of two threads of each of five connections


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
        large = [entry for entry in wanted if entry.size > SMALL_BYTES]
        small = [entry for entry in wanted if entry.size <= SMALL_BYTES]
        for at in range(0, max(1, len(large)), _AT_ONCE):
            self._bring_all(small + large[at : at + _AT_ONCE], together=False)
            small = []
        return [entry for entry in wanted if entry not in self._whole]

    def together(self, entries: Iterable[Entry]) -> bool:
        """Bring these, or none of them: they get their names when all of them are here and verified."""
        wanted = list(dict.fromkeys(entries))
        self._bring_all(wanted, together=True)
        return self._whole.issuperset(wanted)

    def _bring_all(self, wanted: list[Entry], *, together: bool) -> None:
        large = [entry for entry in wanted if together or entry.size > SMALL_BYTES]
        self._late.difference_update(wanted)
        before = set(self._whole)
        finishing = Finishing(self._target, self._late, self._whole)
        try:
            self._arriving = {entry: Arriving(self._target, entry) for entry in large}
            spans = [span for entry in wanted for span in self._missing(Span(entry, 0, entry.size))]
            left = sum(span.end - span.start for span in spans)
            self._here += sum(entry.size for entry in wanted) - left
            with finishing.watch(self._arriving.values(), together=together):
                self._lanes.carry(packs(spans), self._bring, left)
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
            yield from cut(Span(span.entry, start, end))

    def _bring(self, channel: HostChannel, pack: list[Span], moved: Moved) -> None:
        spans = [part for span in pack for part in self._missing(span)]
        takers = [self._make_taker(span) for span in spans]
        files = [[span.entry.path, span.start, span.end, span.entry.size] for span in spans]
        short: list[int] = []
        window = 1 if self._lanes.limit.is_set else _WINDOW
        with channel.exchange("fetch", window=window, run_id=self._run_id, files=files) as exchange:
            for header, payload in exchange:
                if not header.get("more"):
                    short = Answer(channel.host, header).indexes("short", len(spans))
                    continue
                size = 0
                for row, data, length in _parts(channel.host, header.get("parts"), payload, len(spans)):
                    _take(takers[row], spans[row], data, length)
                    size += length
                self._tell(size)
                moved(size)
        for row, taker in enumerate(takers):
            if row in short:
                self._late.add(spans[row].entry)
            elif not taker.is_done:
                where = spans[row].entry.path
                raise TransferError("the host sends less than it announced", where=where, hint="pull again")

    def _tell(self, size: int) -> None:
        with self._lock:
            self._here += size
            self._progress("pull", self._here, max(self._here, self._total))

    def _make_taker(self, span: Span) -> Taker:
        if arriving := self._arriving.get(span.entry):
            return Taker(span.start, span.end, arriving.partial)
        return SmallTaker(span.entry.size, partial(self._keep_small, span.entry))

    def _keep_small(self, entry: Entry, data: bytes) -> None:
        whole = keep_small(self._target, entry, data)
        (self._whole if whole else self._late).add(entry)


def _take(taker: Taker, span: Span, data: memoryview, length: int) -> None:
    try:
        taker.take(data, length)
    except ValueError:
        raise TransferError("the host sends more than it announced: refused", where=span.entry.path) from None


def _parts(host: str, parts: object, payload: bytes, rows: int) -> list[Part]:
    try:
        return unpack(parts, payload, rows)
    except ValueError as error:
        raise TransferError("the host sends something that was not asked for", where=host, value=str(error)) from None
