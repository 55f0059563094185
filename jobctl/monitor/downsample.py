"""Fewer points, the same picture: what a screen cannot show is left out, peaks are not. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from jobctl.monitor.columns import Number

MOST_POINTS = 1600


def pick(columns: Sequence[Sequence[Number]], length: int, most: int = MOST_POINTS) -> list[int]:
    """Which of `length` rows to keep: all where they are few, else of each of many equal parts the ends and, for each
    column, the smallest and the largest value. About `most` rows; the first and the last always.
    """
    if length <= most:
        return list(range(length))
    parts = max(1, most // (2 + 2 * max(1, len(columns))))
    kept = {0, length - 1}
    for part in range(parts):
        start, end = part * length // parts, (part + 1) * length // parts
        kept.update((start, end - 1))
        for column in columns:
            known = [at for at in range(start, end) if column[at] is not None]
            if known:
                kept.add(min(known, key=lambda at: column[at] or 0.0))
                kept.add(max(known, key=lambda at: column[at] or 0.0))
    return sorted(kept)


def smooth(values: Sequence[Number], weight: float = 0.9) -> list[Number]:
    """Exponential moving average, without the bias of its beginning; None stays None."""
    found: list[Number] = []
    mean, mass = 0.0, 0.0
    for value in values:
        if value is None:
            found.append(None)
            continue
        mean = weight * mean + (1 - weight) * value
        mass = weight * mass + (1 - weight)
        found.append(mean / mass)
    return found
