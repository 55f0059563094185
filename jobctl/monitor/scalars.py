"""A run's metrics as scalars, as TensorBoard and VisualDL draw them: a tag, a step, a time, a value. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jobctl.monitor.cityscapes import names_for
from jobctl.monitor.columns import Metrics, Table


class Point(NamedTuple):
    """All scalars of one row: they share step and time. `step`: the iteration; of samples, seconds since the first."""

    step: int
    at: float
    values: dict[str, float]


def make_points(metrics: Metrics) -> Iterator[Point]:
    """Table by table, each in the order of its steps: train/..., eval/..., class_iou/..., host/..., card0/..."""
    yield from _points(metrics.train, "train")
    yield from _points(metrics.evals, "eval")
    for name, table in metrics.class_tables.items():
        names = names_for(len(table.columns))
        yield from _points(table, f"class_{name}", dict(zip(table.columns, names, strict=True)))
    yield from _points(metrics.host, "host", since=_first(metrics.host))
    for card, table in sorted(metrics.cards.items()):
        yield from _points(table, f"card{card}", since=_first(table))


def _points(table: Table, group: str, names: dict[str, str] | None = None, since: float = 0.0) -> Iterator[Point]:
    tags = {column: f"{group}/{(names or {}).get(column, column)}" for column in table.columns}
    for row, (x, at) in enumerate(zip(table.x, table.at, strict=True)):
        known = {column: values[row] for column, values in table.columns.items()}
        values = {tags[column]: value for column, value in known.items() if value is not None}
        if values:
            yield Point(round(x - since), at or 0.0, values)


def _first(table: Table) -> float:
    return table.x[0] if table.x else 0.0
