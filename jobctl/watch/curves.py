"""Of a run's metrics what a terminal shows: two curves, the cards, the host. Pure.

Immutable, so that threads may share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.monitor.columns import Metrics, Table
from jobctl.monitor.downsample import pick

_MOST_POINTS = 400  # a braille cell has two columns of dots: more than 200 columns has no terminal for one curve


@dataclass(frozen=True)
class Curve:
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sample:
    """The newest values of a card, or of the host (`card` None); None where it is not known."""

    card: int | None
    values: dict[str, float | None]


@dataclass(frozen=True)
class Measured:
    """`cards_unknown`: npu-smi was asked and showed no table."""

    loss: Curve = Curve()
    miou: Curve = Curve()
    cards: tuple[Sample, ...] = ()
    cards_unknown: bool = False
    host: Sample | None = None


def take(metrics: Metrics) -> Measured:
    """What is to be shown of it now."""
    return Measured(
        _curve(metrics.train, "loss"),
        _curve(metrics.evals, "miou"),
        tuple(Sample(card, _last(table)) for card, table in sorted(metrics.cards.items())),
        metrics.cards_unknown and not metrics.cards,
        Sample(None, _last(metrics.host)) if len(metrics.host) else None,
    )


def _curve(table: Table, name: str) -> Curve:
    column = table.columns.get(name)
    if not column:
        return Curve()
    rows = [row for row in pick([column], len(table), _MOST_POINTS) if column[row] is not None]
    return Curve(tuple(table.x[row] for row in rows), tuple(float(column[row] or 0.0) for row in rows))


def _last(table: Table) -> dict[str, float | None]:
    return {name: values[-1] for name, values in table.columns.items()}
