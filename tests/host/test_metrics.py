"""PaddleSeg's log lines, of every version we know, as data."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.host.metrics import Parser, Progress, parse_eta

TRAIN: dict[str, Any] = {
    "kind": "train",
    "epoch": 2,
    "iter": 10,
    "iters": 20,
    "loss": 2.4096,
    "lr": 0.005839,
    "batch_cost_s": 0.7836,
    "reader_cost_s": 0.00666,
    "ips": 2.5522,
    "eta_s": 7,
}
BODY = (
    "[TRAIN] epoch: 2, iter: 10/20, loss: 2.4096, lr: 0.005839, batch_cost: 0.7836, reader_cost: 0.00666, "
    "ips: 2.5522 samples/sec"
)
LINES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "npu_cann8.0 (2.9.0)": (f"2026-11-23 00:13:07 [INFO]\t{BODY} | ETA 00:00:07", [TRAIN]),
    "2.9.1": (
        f"2026-11-23 00:13:07 [INFO]\t{BODY}, max_mem_reserved: 1234 MB, max_mem_allocated: 987 MB | ETA 00:00:07",
        [{**TRAIN, "max_mem_reserved_mib": 1234.0, "max_mem_allocated_mib": 987.0}],
    ),
    "develop": (f"[2024/10/18 04:23:55] INFO: {BODY} | ETA 00:00:07", [TRAIN]),
    "after a progress bar": (f"4/4 [====] - 1s 250ms/step{BODY} | ETA 00:00:07", [TRAIN]),
    "a loss that is not a number": (
        "[TRAIN] epoch: 1, iter: 3/9, loss: nan, lr: 0.01, ips: 2.0 samples/sec | ETA 1 day, 2:03:04",
        [
            {
                "kind": "train",
                "epoch": 1,
                "iter": 3,
                "iters": 9,
                "loss": None,
                "not_finite": ["loss"],
                "lr": 0.01,
                "ips": 2.0,
                "eta_s": 93784,
            }
        ],
    ),
    "evaluation": (
        "2026-11-23 00:13:10 [INFO]\t[EVAL] #Images: 4 mIoU: 0.0043 Acc: 0.0556 Kappa: 0.0037 Dice: 0.0083",
        [{"kind": "eval", "iter": None, "images": 4, "miou": 0.0043, "acc": 0.0556, "kappa": 0.0037, "dice": 0.0083}],
    ),
    "best": (
        "[INFO]\t[EVAL] The model with the best validation mIoU (0.0043) was saved at iter 10.",
        [{"kind": "best", "iter": 10, "miou": 0.0043}],
    ),
    "a line cut in the middle": ("2026-11-23 00:13:07 [INFO]\t[TRAIN] epoch: 2, it", []),
    "a line that only looks like one": ("we print [TRAIN] and [EVAL] ourselves", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_becomes_its_record(name: str) -> None:
    line, records = LINES[name]
    assert Parser().feed(line) == records


def test_class_values_over_several_lines_are_one_record() -> None:
    parser = Parser()
    lines = [
        "[INFO]\t[TRAIN] epoch: 1, iter: 6/9, loss: 1.0",
        "[INFO]\t[EVAL] Class IoU: ",
        "[0.     0.0249 0.",
        " 1.     nan    5.e-04]",
        "[INFO]\t[EVAL] Class Precision: ",
        "[0.5 0.25]",
    ]
    records = [record for line in lines for record in parser.feed(line)][1:]
    assert records == [
        {"kind": "class", "iter": 6, "name": "iou", "values": [0.0, 0.0249, 0.0, 1.0, None, 0.0005]},
        {"kind": "class", "iter": 6, "name": "precision", "values": [0.5, 0.25]},
    ]


def test_class_values_that_are_cut_off_do_not_swallow_what_follows() -> None:
    parser = Parser()
    lines = ("[EVAL] Class IoU: ", "[0.1 0.2", "[INFO]\t[EVAL] #Images: 4 mIoU: 0.5 Acc: 0.6")
    assert [record for line in lines for record in parser.feed(line)] == [
        {"kind": "eval", "iter": None, "images": 4, "miou": 0.5, "acc": 0.6}
    ]


def test_progress_is_the_latest_of_everything_and_the_best() -> None:
    parser, progress = Parser(), Progress()
    for line in (
        f"{BODY} | ETA 00:00:07",
        "[EVAL] #Images: 4 mIoU: 0.5000 Acc: 0.6000 Kappa: 0.1 Dice: 0.2",
        "[EVAL] The model with the best validation mIoU (0.5000) was saved at iter 10.",
        "[TRAIN] epoch: 3, iter: 20/20, loss: 2.0 | ETA 00:00:00",
        "[EVAL] #Images: 4 mIoU: 0.4000 Acc: 0.5000",
        "[EVAL] The model with the best validation mIoU (0.5000) was saved at iter 10.",
    ):
        for record in parser.feed(line):
            progress.feed(record)
    found = progress.as_dict()
    assert (found["iter"], found["epoch"], found["loss"], found["eta_s"]) == (20, 3, 2.0, 0)
    assert (found["miou"], found["best_miou"], found["best_iter"]) == (0.4, 0.5, 10)
    assert "kind" not in found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:07", 7), ("123:00:01", 442801), ("1 day, 2:03:04", 93784), ("2 days, 0:00:00", 172800), ("soon", None)],
)
def test_the_time_left_is_read_in_all_its_forms(text: str, seconds: int | None) -> None:
    assert parse_eta(text) == seconds
