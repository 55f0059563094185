"""The log on the screen: follows its end until somebody scrolls up, and shows where words are found."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jobctl.watch.log_lines import LogBuffer, newer, older

_FOUND = Style(reverse=True)
_CURRENT = Style(reverse=True, bold=True, underline=True)


class LogView(ScrollView, can_focus=True):
    """Draws only the lines that are in sight, so its cost does not grow with the log."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("end,G", "follow", "Follow", show=False)]

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.buffer = LogBuffer()
        self.words = ""
        self.found: int | None = None
        self.follows = True
        self._open_line = ""
        self._longest = 0

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.follows = new_value >= self.max_scroll_y

    def add(self, lines: list[str], open_line: str) -> None:
        """New lines, and what stands at the end without one. Where somebody reads, the text does not move."""
        start = self.buffer.start
        self.buffer.add(lines)
        self._open_line = open_line
        self._longest = max([self._longest, len(open_line), *map(len, lines)])
        self.virtual_size = Size(self._longest, len(self.buffer.lines) + bool(open_line))
        if self.follows:
            self.action_follow()
        elif gone := self.buffer.start - start:
            self.scroll_to(y=self.scroll_offset.y - gone, animate=False, immediate=True)
        self.refresh()

    def empty(self) -> None:
        """Before the log of another run."""
        self.buffer, self.found, self._open_line, self._longest = LogBuffer(), None, "", 0
        self.follows = True
        self.virtual_size = Size(0, 0)

    def search(self, words: str) -> str:
        """Go to the newest line with `words`. What to tell of it."""
        self.words, self.found = words, self.buffer.end
        return self.go(up=True)

    def go(self, *, up: bool) -> str:
        """To the next match above or below."""
        matches = self.buffer.matches(self.words)
        at = self.buffer.end if self.found is None else self.found
        self.found = older(matches, at) if up else newer(matches, at)
        self.refresh()
        if not self.words:
            return ""
        if self.found is None:
            return f"/{self.words}: not in the last {len(self.buffer.lines)} lines"
        self.scroll_to(y=self.found - self.buffer.start - self.size.height // 2, animate=False, immediate=True)
        return f"/{self.words}: {matches.index(self.found) + 1} of {len(matches)}"

    def stay(self) -> None:
        """At the end, where it is followed: Textual scrolls only as far as it has laid the lines out already."""
        if self.follows and self.scroll_offset.y < self.max_scroll_y:
            self.action_follow()

    def on_resize(self) -> None:
        self.stay()

    def action_follow(self) -> None:
        self.follows = True
        self.scroll_end(animate=False, immediate=True, x_axis=False)

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        number = self.buffer.start + top + y
        text = self.buffer.line(number) if number < self.buffer.end else ""
        if number == self.buffer.end:
            text = self._open_line
        strip = Strip(self._segments(text, number == self.found))
        return strip.crop_extend(left, left + self.size.width, self.rich_style).apply_style(self.rich_style)

    def _segments(self, text: str, current: bool) -> list[Segment]:
        if not self.words:
            return [Segment(text)]
        shown, segments, at = text if self.words != self.words.lower() else text.lower(), [], 0
        while (hit := shown.find(self.words, at)) >= 0:
            end = hit + len(self.words)
            segments += [Segment(text[at:hit]), Segment(text[hit:end], _CURRENT if current else _FOUND)]
            at = end
        return [*segments, Segment(text[at:])]
