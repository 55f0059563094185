"""Pieces of a log, however they are cut, become the lines that a terminal would show; only so many are kept."""

from __future__ import annotations

import pytest

from jobctl.api import Piece
from jobctl.watch.feed import Feed
from jobctl.watch.log_lines import MOST_LINES, LineCutter, LogBuffer, newer, older
from tests.watch.made import known

LINES: dict[str, tuple[bytes, list[str]]] = {
    "plain lines": (b"a\nb\n", ["a", "b"]),
    "another language": ("中文\n".encode(), ["中文"]),
    "what is no text": (b"\xff\xfe\n", ["\ufffd\ufffd"]),
    "colours": (b"\x1b[31mred\x1b[0m\n", ["red"]),
    "a new title": (b"\x1b]0;mine\x07text\n", ["text"]),
    "a bell": (b"ding\x07\n", ["ding\ufffd"]),
    "words from right to left": ("a\u202eb\n".encode(), ["a\ufffdb"]),
    "markup": (b"[bold]x[/bold] [link=https://x]y[/link]\n", ["[bold]x[/bold] [link=https://x]y[/link]"]),
    "a progress bar": (b"1/3\r2/3\r3/3\r\n", ["3/3"]),
    "a bar with backspaces": (b"1/3\b\b\b\r2/3\b\b\b\r\n", ["2/3"]),
    "tabs": (b"a\tb\n", ["a       b"]),
    "an empty line": (b"\n", [""]),
    "a long line": (b"x" * 30_000 + b"\n", ["x" * 1999 + "…"]),
}


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
@pytest.mark.parametrize("name", LINES)
def test_lines_are_shown_as_a_terminal_would_and_harmless(name: str, size: int) -> None:
    data, wanted = LINES[name]
    if size == 1 and name == "a long line":
        size = 1000
    cutter, lines = LineCutter(), []
    for at in range(0, len(data), size):
        lines += cutter.feed("logs/train.log", data[at : at + size])
    assert lines == ["--- logs/train.log", *wanted]
    assert cutter.open_line() == ""


def test_a_bar_that_has_no_end_of_line_yet_is_shown_as_it_stands() -> None:
    cutter = LineCutter()
    cutter.feed("logs/data.log", b"begin\n 10%\r 20%\r")
    assert cutter.open_line() == " 20%"
    assert cutter.feed("logs/train.log", b"x\n") == [" 20%", "--- logs/train.log", "x"]


def test_only_the_newest_lines_are_kept_and_keep_their_numbers() -> None:
    buffer = LogBuffer(most=3)
    buffer.add(f"line {number}" for number in range(10))
    assert (buffer.start, buffer.end) == (7, 10)
    assert [buffer.line(number) for number in (6, 7, 9, 10)] == ["", "line 7", "line 9", ""]
    assert buffer.matches("line") == [7, 8, 9]
    assert buffer.matches("Line") == [], "capital letters count"
    assert older([7, 8, 9], 8) == 7 and older([7, 8, 9], 7) == 9 and older([], 7) is None
    assert newer([7, 8, 9], 8) == 9 and newer([7, 8, 9], 9) == 7 and newer([], 7) is None


def test_a_long_log_that_nobody_draws_takes_no_more_memory_than_a_short_one() -> None:
    feed = Feed(known())
    piece = b"a line of a log that never ends\n" * 1000
    for at in range(300):
        feed.log(Piece("logs/train.log", at * len(piece), piece))
    assert len(feed.take_lines()) == MOST_LINES
    assert feed.take_lines() == []
