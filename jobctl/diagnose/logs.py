"""Logs as the matcher reads them: lines without what terminals put there, each with the time that it carries. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_LARGEST_CHARS = 2_000_000
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x08")
_TRAIN = re.compile(r"\[TRAIN\] epoch(?!.*\b(?:nan|inf)\b)|^\s*\d+/\d+ \[=*[>=.]*", re.IGNORECASE)
_TIME = re.compile(
    r"(?:(?:19|20)\d\d[-/](?P<month>\d\d)[-/](?P<day>\d\d)[ T-]|(?<![\w.])[IWEF](?P<month2>[01]\d)(?P<day2>\d\d) )"
    r"(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)(?P<fraction>[.,]\d+(?:\.\d+)*)?"
)


@dataclass(frozen=True)
class Log:
    """One log. `name`: where it comes from, a path or `rank 1`."""

    name: str
    text: str
    ordered: bool = True
    """Not so for lines that are no log: they count as said last."""

    @cached_property
    def cleaned(self) -> str:
        """Its lines, lines of a healthy training left out. Of a large log the beginning and the end."""
        text = self.text
        if len(text) > _LARGEST_CHARS:
            text = text[: _LARGEST_CHARS // 4] + "\n" + text[-_LARGEST_CHARS * 3 // 4 :]
        text = _ESCAPE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
        return "\n".join(line for line in text.split("\n") if line.strip() and not _TRAIN.search(line))

    @cached_property
    def lowered(self) -> str:
        return self.cleaned.lower()

    @cached_property
    def has_times(self) -> bool:
        return _TIME.search(self.cleaned) is not None

    def line_start(self, position: int) -> int:
        """Where the line around a position of `cleaned` begins."""
        return self.cleaned.rfind("\n", 0, position) + 1

    def line_at(self, position: int) -> str:
        """The line of `cleaned` around a position."""
        start = self.line_start(position)
        end = self.cleaned.find("\n", position)
        return self.cleaned[start : end if end >= 0 else len(self.cleaned)].strip()

    def time_at(self, position: int) -> float | None:
        """Seconds, comparable within a year: of the line, or of the nearest one before it that carries a time."""
        if not self.has_times:
            return None
        end = self.cleaned.find("\n", position)
        before = self.cleaned[max(0, position - 20_000) : end if end >= 0 else len(self.cleaned)]
        times = list(_TIME.finditer(before))
        return _seconds(times[-1]) if times else None


def _seconds(found: re.Match[str]) -> float:
    month, day = int(found["month"] or found["month2"]), int(found["day"] or found["day2"])
    clock = int(found["h"]) * 3600 + int(found["m"]) * 60 + int(found["s"])
    digits = re.sub(r"\D", "", found["fraction"] or "")
    return (month * 31 + day) * 86400.0 + clock + (float("0." + digits) if digits else 0.0)
