"""The lines of a `metrics.jsonl`, as columns. Fed piece by piece, as they come from the host.

A line is one record of `jobctl.host.metrics.Parser`, `own_metrics.PatternParser` or `samples`, with `at` (seconds since
the epoch, of the host's clock) and `attempt`.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Number = float | None
_NO_METRICS = {"kind", "at", "attempt", "not_finite", "name", "values", "iter", "cards", "eta_s", "images"}
_NUMBERS = (int, float)
_LARGEST_ITER = 1 << 53
_MOST_CLASSES = 1000
_MOST_COLUMNS = 64
_MOST_CARDS = 64


@dataclass
class Table:
    """Columns of equal length over `x`, which only grows. A value that is missing is None."""

    x: list[float] = field(default_factory=list)
    at: list[Number] = field(default_factory=list)
    attempt: list[int] = field(default_factory=list)
    columns: dict[str, list[Number]] = field(default_factory=dict)

    def add(self, x: float, at: Number, attempt: int, values: Mapping[str, Number]) -> None:
        """One row more. What an earlier attempt said of `x` and beyond is forgotten: the training went back there."""
        if self.x and x <= self.x[-1]:
            self._cut(bisect_left(self.x, x))
        self.x.append(x)
        self.at.append(at)
        self.attempt.append(attempt)
        for name, value in values.items():
            if name not in self.columns:
                if len(self.columns) >= _MOST_COLUMNS:
                    continue
                self.columns[name] = [None] * (len(self.x) - 1)
            self.columns[name].append(value)
        for column in self.columns.values():
            if len(column) < len(self.x):
                column.append(None)

    def add_later(self, at: float, attempt: int, values: Mapping[str, Number]) -> None:
        """As `add`, over the time; a clock that was set back takes nothing away."""
        if not self.x or at > self.x[-1]:
            self.add(at, at, attempt, values)

    def _cut(self, length: int) -> None:
        del self.x[length:], self.at[length:], self.attempt[length:]
        for column in self.columns.values():
            del column[length:]

    def last(self, name: str) -> Number:
        """The newest value that is known."""
        return next((value for value in reversed(self.columns.get(name, ())) if value is not None), None)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Classes:
    """Values of one evaluation for each class, such as the IoU; None where the trainer said nan."""

    iter: int | None
    values: tuple[Number, ...]


class Metrics:
    """All that `metrics.jsonl` has said so far.

    train, evals   over the iteration: loss, lr, ips, batch_cost_s, reader_cost_s, ...; miou, acc, kappa, dice, ...
    classes        "iou", "precision", "recall" -> for each class, the newest; `best_classes`: of the best evaluation
    class_tables   the same names -> over the iteration: "0", "1", ..., of 64 classes at most
    host           over the time: cpu_percent, memory_used_mib, memory_total_mib, disk_free_mib, disk_total_mib
    cards          card -> over the time: load_percent, memory_used_mib, memory_total_mib, temperature_c, power_w
    """

    def __init__(self) -> None:
        self.train = Table()
        self.evals = Table()
        self.host = Table()
        self.cards: dict[int, Table] = {}
        self.classes: dict[str, Classes] = {}
        self.best_classes: dict[str, Classes] = {}
        self.class_tables: dict[str, Table] = {}
        self.iters: int | None = None
        self.best_iter: int | None = None
        self.best_miou: Number = None
        self.cards_unknown = False
        """npu-smi was asked and showed no table."""
        self.not_finite = 0
        """Training lines whose loss was no number."""
        self.records = 0
        """How many were fed."""
        self._rest = b""

    def feed(self, data: bytes) -> int:
        """Take what comes next in the file; a last line without an end waits for it. How many records that were."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        count = 0
        for line in lines:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):  # a disk was full in the middle of it
                continue
            if isinstance(record, dict):
                self._take(record)
                count += 1
        self.records += count
        return count

    def _take(self, record: dict[str, Any]) -> None:
        take = {
            "train": self._train,
            "eval": self._eval,
            "class": self._class,
            "best": self._best,
            "host": self._host,
            "cards": self._cards,
        }.get(str(record.get("kind")))
        if take is not None:
            take(record)

    def _train(self, record: dict[str, Any]) -> None:
        if (at_iter := _iter(record)) is None:
            return
        if (iters := record.get("iters")) and _whole(iters):
            self.iters = iters
        named = record.get("not_finite")
        if isinstance(named, list) and "loss" in named:
            self.not_finite += 1
        values = {name: number for name, number in _numbers(record).items() if name != "iters"}
        self.train.add(at_iter, _number(record.get("at")), _attempt(record), values)

    def _eval(self, record: dict[str, Any]) -> None:
        at_iter = _iter(record)
        self.evals.add(0 if at_iter is None else at_iter, _number(record.get("at")), _attempt(record), _numbers(record))

    def _class(self, record: dict[str, Any]) -> None:
        name, values = record.get("name"), record.get("values")
        if isinstance(name, str) and len(name) < 40 and isinstance(values, list):
            found = Classes(_iter(record), tuple(_number(value) for value in values[:_MOST_CLASSES]))
            self.classes[name] = found
            if found.iter is not None and (name in self.class_tables or len(self.class_tables) < _MOST_COLUMNS):
                row = {str(index): value for index, value in enumerate(found.values[:_MOST_COLUMNS])}
                self.class_tables.setdefault(name, Table()).add(
                    found.iter, _number(record.get("at")), _attempt(record), row
                )

    def _best(self, record: dict[str, Any]) -> None:
        """Printed after every evaluation; the same iteration again where it was no better."""
        miou, at_iter = _number(record.get("miou")), _iter(record)
        if at_iter is None or (self.best_miou is not None and (miou is None or miou < self.best_miou)):
            return
        self.best_miou, self.best_iter = miou, at_iter
        self.best_classes |= {name: found for name, found in self.classes.items() if found.iter == at_iter}

    def _host(self, record: dict[str, Any]) -> None:
        if (at := _number(record.get("at"))) is not None:
            self.host.add_later(at, _attempt(record), _numbers(record))

    def _cards(self, record: dict[str, Any]) -> None:
        at, rows = _number(record.get("at")), record.get("cards")
        if at is None or not isinstance(rows, list):
            self.cards_unknown = self.cards_unknown or rows is None
            return
        for row in rows:
            card = row.get("card") if isinstance(row, dict) else None
            if type(card) is int and (card in self.cards or len(self.cards) < _MOST_CARDS):
                values = {name: value for name, value in _numbers(row).items() if name != "card"}
                self.cards.setdefault(card, Table()).add_later(at, _attempt(record), values)


def _numbers(record: Mapping[str, Any]) -> dict[str, Number]:
    found: dict[str, Number] = {}
    for name, value in record.items():
        if name not in _NO_METRICS and len(name) <= 40:
            number = _number(value)
            if number is not None or value is None:
                found[name] = number
    return found


def _number(value: object) -> Number:
    # type(), not isinstance(): it is asked a million times, and a bool is no number.
    return value if type(value) in _NUMBERS and math.isfinite(value) else None  # type: ignore[arg-type, return-value]


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST_ITER


def _iter(record: Mapping[str, Any]) -> int | None:
    found = record.get("iter")
    return found if _whole(found) else None


def _attempt(record: Mapping[str, Any]) -> int:
    found = record.get("attempt")
    return found if type(found) is int else 1
