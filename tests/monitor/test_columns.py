"""Lines of metrics.jsonl become columns, however they are cut, whatever stands in them."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from jobctl.monitor.columns import Metrics


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(
        json.dumps({"attempt": 1, "at": 1000.0 + at, **row}).encode() + b"\n" for at, row in enumerate(records)
    )


def train(at_iter: int, loss: float | None, **more: Any) -> dict[str, Any]:
    return {"kind": "train", "iter": at_iter, "iters": 100, "loss": loss, **more}


def test_columns_are_the_same_however_the_bytes_are_cut() -> None:
    data = lines(*(train(number, number / 7, lr=0.1, batch_cost_s=0.5) for number in range(1, 200)))
    whole = Metrics()
    whole.feed(data)
    assert whole.train.x == list(range(1, 200)) and whole.train.columns["loss"][6] == 1.0
    draw = random.Random(6)
    for _ in range(20):
        cut = Metrics()
        places = sorted(draw.randrange(len(data)) for _ in range(9))
        for start, end in zip([0, *places], [*places, len(data)], strict=True):
            cut.feed(data[start:end])
        assert cut.train == whole.train


def test_what_a_resumed_training_does_again_counts_once() -> None:
    found = Metrics()
    found.feed(lines(*(train(number, 1.0) for number in range(10, 60, 10))))
    found.feed(lines(*(train(number, 2.0, attempt=2) for number in range(30, 70, 10))))
    assert found.train.x == [10, 20, 30, 40, 50, 60]
    assert found.train.columns["loss"] == [1.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    assert found.train.attempt == [1, 1, 2, 2, 2, 2]


def test_a_metric_that_begins_late_or_is_missing_is_none_there() -> None:
    found = Metrics()
    found.feed(lines(train(1, 1.0), train(2, None, not_finite=["loss"], aux_loss=0.4), train(3, 0.5)))
    assert found.train.columns == {"loss": [1.0, None, 0.5], "aux_loss": [None, 0.4, None]}
    assert found.not_finite == 1 and found.iters == 100


def test_classes_of_the_best_evaluation_are_kept_apart_from_the_newest() -> None:
    found = Metrics()
    for at_iter, miou, iou in ((10, 0.5, [0.4, 0.6]), (20, 0.3, [0.3, None])):
        best = {"kind": "best", "iter": 10, "miou": 0.5}
        found.feed(
            lines(
                {"kind": "eval", "iter": at_iter, "miou": miou, "images": 4},
                {"kind": "class", "iter": at_iter, "name": "iou", "values": iou},
                best,
            )
        )
    assert found.evals.columns["miou"] == [0.5, 0.3]
    assert (found.best_iter, found.best_miou) == (10, 0.5)
    assert found.best_classes["iou"].values == (0.4, 0.6)
    assert found.classes["iou"].values == (0.3, None)


def test_samples_of_the_host_and_its_cards_are_columns_over_the_time() -> None:
    card = {
        "load_percent": 97,
        "memory_used_mib": 30000,
        "memory_total_mib": 65536,
        "temperature_c": 50,
        "power_w": None,
    }
    found = Metrics()
    found.feed(
        lines(
            {"kind": "host", "cpu_percent": None, "memory_used_mib": 5, "memory_total_mib": 9},
            {"kind": "cards", "cards": [{"card": 4, **card}, {"card": 5, **card, "load_percent": 3}]},
            {"kind": "cards", "cards": None},
            {"kind": "host", "cpu_percent": 12.5, "memory_used_mib": 6, "memory_total_mib": 9},
        )
    )
    assert found.host.columns["cpu_percent"] == [None, 12.5] and found.host.x == [1000.0, 1003.0]
    assert found.cards[5].columns["load_percent"] == [3] and found.cards[4].columns["power_w"] == [None]
    assert found.cards_unknown


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b"[" * 100_000,
        b'{"kind": []}',
        b'{"kind": "train", "iter": -1}',
        b'{"kind": "train", "iter": 1e999}',
        b'{"kind": "train", "iter": true, "loss": 1}',
        b'{"kind": "class", "name": ["iou"], "values": 3}',
        b'{"kind": "best", "iter": "x", "miou": {}}',
        b'{"kind": "cards", "at": 1, "cards": [3, {"card": "four"}, {}]}',
        b'{"kind": "host", "at": "now", "cpu_percent": 3}',
    ],
    ids=range(11),
)
def test_a_line_that_makes_no_sense_spoils_no_other(line: bytes) -> None:
    found = Metrics()
    found.feed(lines(train(1, 1.0)) + line + b"\n" + lines(train(2, 0.5)))
    assert found.train.x == [1, 2] and found.train.columns["loss"] == [1.0, 0.5]
    assert len(found.evals) == len(found.host) == 0 and not found.cards and not found.classes
