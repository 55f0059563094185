"""From pieces of several logs to lines: those that match, each with its rank before it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from jobctl.errors import InputError

if TYPE_CHECKING:
    from jobctl.api import Piece

_LONGEST_BYTES = 64 << 10  # a line without end is cut here
_MATCHED_BYTES = 16 << 10  # a pattern sees no more of a line
_PATIENCE_S = 2.0  # for a pattern, on the lines of one piece (256 KiB)
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_red", "bright_cyan", "bright_yellow")


@dataclass(frozen=True)
class Line:
    """A line with its end, as far as it has one. `offset`: of its first byte in `file`."""

    file: str
    offset: int
    data: bytes
    rank: int | None


class Lines:
    """Cuts pieces into lines, each file for itself, and keeps those in which `pattern` is found (None: all)."""

    def __init__(self, pattern: str | None = None) -> None:
        self._pattern = _compiled(pattern)
        self._open: dict[str, Line] = {}
        self.left_out = 0

    def feed(self, piece: Piece) -> list[Line]:
        """The lines that this piece completes. Raises InputError for a pattern that takes too long."""
        before = self._open.pop(piece.file, None)
        data, at = (before.data + piece.data, before.offset) if before else (piece.data, piece.offset)
        found = []
        for part in _LINE.findall(data):
            found.append(Line(piece.file, at, part, piece.rank))
            at += len(part)
        if found and not found[-1].data.endswith(b"\n") and len(found[-1].data) < _LONGEST_BYTES:
            self._open[piece.file] = found.pop()
        return self._matching(found)

    def rest(self) -> list[Line]:
        """Last lines that nothing ends."""
        found, self._open = list(self._open.values()), {}
        return self._matching(found)

    def _matching(self, lines: list[Line]) -> list[Line]:
        if self._pattern is None:
            return lines
        with _patience(self._pattern.pattern):
            kept = [line for line in lines if self._pattern.search(_text(line.data))]
        self.left_out += len(lines) - len(kept)
        return kept


def _text(line: bytes) -> str:
    return line[:_MATCHED_BYTES].decode("utf-8", "replace").rstrip("\r\n")


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(
            f"not a regular expression: {error}",
            where="--grep",
            value=pattern,
            hint="a character such as ( or [ is itself behind a backslash, between single quotes: '\\[EVAL\\]'",
        ) from None


@contextmanager
def _patience(pattern: str) -> Iterator[None]:
    """Python's `re` looks for signals while it matches, so that a pattern that backtracks for ever can be ended."""

    def give_up(signum: int, frame: Any) -> None:
        raise InputError(
            f"the pattern takes longer than {_PATIENCE_S:.0f} s on a few lines",
            where="--grep",
            value=pattern,
            hint="nested repetitions such as (a+)+ are the cause",
        )

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def prefix(rank: int | None, colours: bool) -> bytes:
    """`[3] `, in the rank's own colour; nothing for a log that is no rank's."""
    if rank is None:
        return b""
    word = f"[{rank}]"
    return (click.style(word, fg=_COLOURS[rank % len(_COLOURS)]) if colours else word).encode() + b" "


def wants_colours(terminal: bool) -> bool:
    """On a terminal, unless the user has said no (no-color.org)."""
    return terminal and not os.environ.get("NO_COLOR")
