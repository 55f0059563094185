"""The one place that prints. Results: `as_json`, `table`, `text`. What is going on: `Teller`, on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click

from jobctl.monitor.plain import PlainLog, plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from jobctl.errors import JobctlError


def as_json(command: str, data: Any) -> None:
    """The envelope of every `--json`."""
    click.echo(json.dumps({"version": 1, "command": command, "data": data}, ensure_ascii=False, indent=2))


def json_error(command: str, error: JobctlError) -> None:
    """The envelope of `--json` for what went wrong."""
    click.echo(json.dumps({"version": 1, "command": command, "error": error.as_dict()}))


def text(line: str = "") -> None:
    click.echo(_shown(line))


def _shown(words: str) -> str:
    return plain(words) if sys.stdout.isatty() else words


class LogPrinter:
    """Bytes of a log as they are; on a terminal without what could take it over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._plain = PlainLog() if stream.isatty() else None

    def write(self, data: bytes, mark: bytes = b"") -> None:
        """`mark` is ours, and may be coloured."""
        if self._plain:
            self._stream.write(mark.decode() + self._plain.feed(data))
        else:
            self._stream.buffer.write(mark + data)
        self._stream.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns; colours for states on a terminal only. Nothing is cut when the output goes to a file or a pipe."""
    drawn = GrowingTable(head)
    drawn.add(rows)
    if not rows:
        drawn.draw([])


class GrowingTable:
    """A table whose rows come in parts: the head stands once, above the first, and columns only get wider."""

    def __init__(self, head: Sequence[str]) -> None:
        self._head = head
        self._widths = [len(name) for name in head]
        self.rows = 0

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """These rows now."""
        if rows:
            self.draw(rows)
            self.rows += len(rows)

    def draw(self, rows: Sequence[Sequence[str]]) -> None:
        """Also the head, where it does not stand yet."""
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        shown = [[_shown(cell) for cell in row] for row in rows]
        for cells in shown:
            self._widths = [max(width, cell_len(cell)) for width, cell in zip(self._widths, cells, strict=True)]
        console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
        drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), show_header=not self.rows)
        for name, width in zip(self._head, self._widths, strict=True):
            min_width = width if self.rows and name not in _LONG else None
            drawn.add_column(name, no_wrap=name not in _LONG, overflow="fold", min_width=min_width)
        for cells in shown:
            drawn.add_row(*(Text(cell, style=STYLES.get(cell.split(" ")[0], "")) for cell in cells))
        with console.capture() as captured:
            console.print(drawn)
        for line in captured.get().splitlines():
            click.echo(line.rstrip())  # rich fills the last column with blanks
        sys.stdout.flush()


_LONG = ("WHY", "MEANING", "HOLDER")

STYLES = {
    "RUNNING": "cyan",
    "QUEUED": "yellow",
    "STAGING": "yellow",
    "SUCCEEDED": "green",
    "FAILED": "bold red",
    "CANCELLED": "magenta",
    "LOST": "bold red",
}


def verdict(word: str) -> str:
    """A check's verdict, in its colour on a terminal."""
    padded = f"{word:<8}"
    return click.style(padded, **VERDICTS.get(word, {})) if sys.stdout.isatty() else padded


VERDICTS: dict[str, dict[str, Any]] = {
    "ok": {"fg": "green"},
    "warning": {"fg": "yellow"},
    "failed": {"fg": "red", "bold": True},
    "unknown": {"fg": "magenta"},
    "skipped": {"dim": True},
}


def duration(seconds: float | None) -> str:
    """`7s`, `4m12s`, `3h05m`, `2d04h`."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def size(size_bytes: float) -> str:
    """`812 B`, `1.4 MB`: powers of 1000, as disks and networks count."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


class Teller:
    """A `jobctl.api.listener.Listener` for people: one line that changes on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._terminal = sys.stderr.isatty()
        self._told: dict[str, float] = {}

    def note(self, message: str) -> None:
        self._close()
        click.echo(click.style(plain(message), dim=True) if self._terminal else message, err=True)

    def progress(self, label: str, done: int, total: int) -> None:
        if self._terminal:
            self._draw(label, done, total)
        elif done >= total or time.monotonic() - self._told.get(label, -10.0) > 5.0:
            self._told[label] = time.monotonic()
            click.echo(f"{label}: {size(done)} of {size(total)}", err=True)

    def _draw(self, label: str, done: int, total: int) -> None:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
            )
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(label, total=total)
        self._bars.update(self._tasks[label], completed=done, total=total)

    def _close(self) -> None:
        if self._bars:
            self._bars.stop()
        self._bars, self._tasks = None, {}

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()
