"""Which signatures the logs carry. Pure: logs in, hits out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from jobctl.diagnose.derived import derive
from jobctl.diagnose.logs import Log
from jobctl.diagnose.signatures import SPEAKS_OF_AN_ERROR, Signature

_HITS_KEPT = 4
_LONGEST_LINE = 400


@dataclass(frozen=True)
class Hit:
    """A signature that was met: where first, and the lines that carry it. `when`: comparable within one diagnosis."""

    signature: Signature
    log: str
    when: tuple[float, int, int]
    lines: tuple[str, ...]


def find_hits(logs: Sequence[Log], catalogue: Iterable[Signature]) -> list[Hit]:
    """All hits, in order of time where all logs carry times, else of the logs as they were given."""
    timed = all(log.has_times for log in logs if log.ordered)
    facts = "\n".join(fact for log in logs for fact in derive(log.cleaned))
    found = []
    for signature in catalogue:
        hit = _first(signature, logs, timed)
        if hit is not None and _holds(signature, logs, facts):
            found.append(hit)
    return sorted(found, key=lambda hit: hit.when)


def _first(signature: Signature, logs: Sequence[Log], timed: bool) -> Hit | None:
    hits: list[tuple[tuple[float, int, int], str, str]] = []
    for index, log in enumerate(logs):
        for at in islice(sorted(_places(signature, log)), _HITS_KEPT):
            when = (_seconds(log, at, timed), index, log.line_start(at))
            hits.append((when, log.name, shortened(log.line_at(at))))
    if not hits:
        return None
    hits.sort(key=lambda hit: hit[0])
    lines = tuple(dict.fromkeys(line for _, _, line in hits))[:_HITS_KEPT]
    return Hit(signature, hits[0][1], hits[0][0], lines)


def _places(signature: Signature, log: Log) -> Iterator[int]:
    """Where the log carries the signature, at least the first places of each of its lines."""
    for line in signature.lines:
        yield from (match.start() for match in islice(line.finditer(log.cleaned, log.lowered), _HITS_KEPT))
    if signature.codes:
        found = (match.start() for match in signature.codes.finditer(log.cleaned))
        yield from islice((at for at in found if SPEAKS_OF_AN_ERROR.search(log.line_at(at))), _HITS_KEPT)


def _seconds(log: Log, at: int, timed: bool) -> float:
    if not log.ordered:
        return math.inf
    return (log.time_at(at) or 0.0) if timed else 0.0


def _holds(signature: Signature, logs: Sequence[Log], facts: str) -> bool:
    texts = [*(log.cleaned for log in logs), facts]
    if any(pattern.search(text) for pattern in signature.without for text in texts):
        return False
    return all(any(pattern.search(text) for text in texts) for pattern in signature.with_)


def shortened(line: str) -> str:
    """A line that is not too long to show."""
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"
