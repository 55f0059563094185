"""From pieces of a log to lines that can be shown, and the newest of them. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from jobctl.monitor.plain import plain

MOST_LINES = 5000
_LONGEST = 2000  # characters of one line
_OPEN_BYTES = 16 << 10  # a line without end is cut here


class LineCutter:
    """Bytes of one log after another to lines: harmless text, without tabs, of a bounded length."""

    def __init__(self) -> None:
        self._file: str | None = None
        self._open = b""

    def feed(self, file: str, data: bytes) -> list[str]:
        """The lines that this completes; the name of a file comes before its first line."""
        found = []
        if file != self._file:
            found = [self.open_line()] if self._open else []
            found.append(f"--- {plain(file)}")
            self._file, self._open = file, b""
        *lines, self._open = (self._open + data).split(b"\n")
        if len(self._open) > _OPEN_BYTES:
            # A progress bar that never ends its line: of what was drawn over only the last is kept.
            self._open = self._open[-_OPEN_BYTES:]
        return found + [_shown(line) for line in lines]

    def open_line(self) -> str:
        """What stands there of a line that nothing has ended yet."""
        return _shown(self._open)


def _shown(line: bytes) -> str:
    """What a terminal would show: progress bars go back with CR or backspaces and draw over what was there."""
    drawn = [part for part in line[: _LONGEST * 8].split(b"\r") if part.strip(b" \b")]
    text = plain((drawn[-1] if drawn else b"").replace(b"\b", b"").decode("utf-8", "replace"))
    text = re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "\N{REPLACEMENT CHARACTER}", text).expandtabs(8)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


class LogBuffer:
    """The newest lines. Lines are counted from the first that ever came, so a number stays that of its line."""

    def __init__(self, most: int = MOST_LINES) -> None:
        self.lines: deque[str] = deque(maxlen=most)
        self.end = 0

    @property
    def start(self) -> int:
        return self.end - len(self.lines)

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.lines.append(line)
            self.end += 1

    def line(self, number: int) -> str:
        """Empty for one that is not here any more."""
        return self.lines[number - self.start] if self.start <= number < self.end else ""

    def matches(self, words: str) -> list[int]:
        """The numbers of the lines that have `words` in them; capital letters count where there are some in it."""
        if not words:
            return []
        if words != words.lower():
            return [self.start + at for at, line in enumerate(self.lines) if words in line]
        return [self.start + at for at, line in enumerate(self.lines) if words in line.lower()]


def older(matches: list[int], than: int) -> int | None:
    """The nearest match above a line; beyond the first again the last."""
    return next((number for number in reversed(matches) if number < than), matches[-1] if matches else None)


def newer(matches: list[int], than: int) -> int | None:
    """The nearest match below a line; beyond the last again the first."""
    return next((number for number in matches if number > than), matches[0] if matches else None)
