"""The rows that a benchmark finds, and the one table they are shown in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """`ratio` is to the first row of its group. Connections and round trips: of one call."""

    what: str
    median_ms: float
    ratio: float
    connections: int | None = None
    round_trips: int | None = None
    group: str = "start-up"


def show(rows: list[Row], title: str) -> None:
    """One table on standard output."""
    table = Table("what", title=title, title_justify="left")
    for heading in ("median ms", "ratio", "connections", "round trips"):
        table.add_column(heading, justify="right")
    for group, members in groupby(rows, key=lambda row: row.group):
        table.add_section()
        table.add_row(f"[bold]{group}[/bold]")
        for row in members:
            counts = ("" if count is None else str(count) for count in (row.connections, row.round_trips))
            table.add_row(f"  {row.what}", _ms(row.median_ms), f"{row.ratio:.2f}", *counts)
    Console(width=100).print(table)


def _ms(median_ms: float) -> str:
    return f"{median_ms:,.0f}" if median_ms >= 100 else f"{median_ms:.3g}"
