"""What the numbers say, in sentences. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from jobctl.monitor.columns import Metrics, Number, Table
from jobctl.monitor.downsample import smooth

_RECENT = 200  # lines: how it is now, without the start
_BOUND, _SOME = 0.3, 0.1
_IDLE_PERCENT = 50


@dataclass(frozen=True)
class Finding:
    """One sentence, and whether it is good ("ok"), to be known ("note") or to be acted upon ("warn")."""

    level: str
    text: str


def findings(metrics: Metrics) -> list[Finding]:
    """What stands out, most important first."""
    found = [*_not_finite(metrics), *_loading(metrics.train), *_learning(metrics), *_cards(metrics)]
    return sorted(found, key=lambda finding: ("warn", "note", "ok").index(finding.level))


def reader_share(train: Table) -> float | None:
    """How much of a batch's time was spent waiting for data, 0 to 1; None where the trainer does not say."""
    readers, batches = train.columns.get("reader_cost_s"), train.columns.get("batch_cost_s")
    if not readers or not batches:
        return None
    pairs = [
        (reader, batch)
        for reader, batch in zip(readers[-_RECENT:], batches[-_RECENT:], strict=True)
        if reader is not None and batch
    ]
    return statistics.median(reader / batch for reader, batch in pairs) if pairs else None


def _loading(train: Table) -> list[Finding]:
    share = reader_share(train)
    if share is None:
        return []
    told = f"{share:.0%} of a batch's time went into waiting for data (reader_cost of batch_cost, median)"
    if share >= _BOUND:
        return [Finding("warn", f"Bound by data loading: {told}. More --num_workers, or data on a faster disk.")]
    if share >= _SOME:
        return [Finding("note", f"Data loading is felt: {told}.")]
    return [Finding("ok", f"Not bound by data loading: {told}.")]


def _not_finite(metrics: Metrics) -> list[Finding]:
    if not metrics.not_finite:
        return []
    lines = "1 training line" if metrics.not_finite == 1 else f"{metrics.not_finite} training lines"
    return [Finding("warn", f"The loss was not a finite number in {lines}.")]


def _learning(metrics: Metrics) -> list[Finding]:
    loss = [value for value in smooth(metrics.train.columns.get("loss", ())) if value is not None]
    if len(loss) < 10:
        return []
    early, late = statistics.mean(loss[: len(loss) // 5]), statistics.mean(loss[-(len(loss) // 5) :])
    if late < early:
        return [
            Finding(
                "ok", f"It learns: the loss fell from {early:.4g} to {late:.4g} (means of the first and last fifth)."
            )
        ]
    return [Finding("warn", f"The loss did not fall: {early:.4g} in the first fifth, {late:.4g} in the last.")]


def _cards(metrics: Metrics) -> list[Finding]:
    found = []
    for card, table in sorted(metrics.cards.items()):
        loads = [load for load in table.columns.get("load_percent", ())[-_RECENT:] if load is not None]
        if len(loads) >= 5 and statistics.median(loads) < _IDLE_PERCENT:
            found.append(Finding("note", f"Card {card} was at {statistics.median(loads):.0f} % load (median)."))
    if metrics.cards_unknown and not metrics.cards:
        found.append(Finding("note", "What the cards did is unknown: npu-smi showed no table."))
    return found


def curve_summary(name: str, x_name: str, x: Sequence[float], values: Sequence[Number]) -> str:
    """A curve in one sentence, for who cannot see it."""
    known = [(at, value) for at, value in zip(x, values, strict=True) if value is not None]
    if not known:
        return f"{name}: no value is known."
    low, high = min(known, key=lambda pair: pair[1]), max(known, key=lambda pair: pair[1])
    if len(known) == 1:
        return f"{name}: one value, {known[0][1]:.4g}."
    where = f" ({x_name} {_shown(low[0])})" if x_name else ""
    to = f" ({x_name} {_shown(high[0])})" if x_name else ""
    return (
        f"{name}: {len(known)} values, first {known[0][1]:.4g}, last {known[-1][1]:.4g}, "
        f"lowest {low[1]:.4g}{where}, highest {high[1]:.4g}{to}."
    )


def _shown(x: float) -> str:
    return f"{x:,.0f}".replace(",", " ")
