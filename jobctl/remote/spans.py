"""What goes over a link as one request: many small files, or a range of a large one. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jobctl.plan.manifest import Entry

SMALL_BYTES = 1 << 20
"""Up to this size a file is kept in memory until it is whole, and is not cut."""
_SPAN_BYTES = 4 << 20
_PACK_BYTES, _PACK_FILES = 4 << 20, 256


@dataclass(frozen=True)
class Span:
    """A range of a file."""

    entry: Entry
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def cut(span: Span) -> Iterator[Span]:
    """A range as ranges that are not too long for one request."""
    for at in range(span.start, span.end, _SPAN_BYTES):
        yield Span(span.entry, at, min(at + _SPAN_BYTES, span.end))


def packs(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Ranges that are asked for in one request."""
    pack: list[Span] = []
    size = 0
    for span in spans:
        if pack and (size + span.size > _PACK_BYTES or len(pack) >= _PACK_FILES):
            yield pack
            pack, size = [], 0
        pack.append(span)
        size += span.size
    if pack:
        yield pack
