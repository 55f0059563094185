"""The lines of a log that look like its failure, for when nothing is known of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobctl.diagnose.logs import Log
from jobctl.diagnose.matcher import shortened

_BAD = re.compile(r"error|exception|fail|abort|fatal|traceback|denied|cannot|refused|signal", re.IGNORECASE)
_MOST = 6


def last_words(logs: Sequence[Log]) -> tuple[str, ...]:
    """The last lines that speak of an error, of each log; where none does, the last line."""
    found: list[str] = []
    for log in logs:
        lines = [line.strip() for line in log.cleaned.split("\n") if line.strip()]
        bad = [line for line in lines if _BAD.search(line)]
        found += [shortened(line) for line in (bad[-2:] or lines[-1:])]
    return tuple(dict.fromkeys(found))[:_MOST]
