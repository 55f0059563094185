"""The better of two best models stands at its place, wherever a supervisor is killed."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from jobctl.host.best_model import keep_best, settle_best
from tests.host.runs import Json

PLACE = "output/best_model"


def save_best(run_dir: Path, iteration: int, miou: float | None, attempt: int, whole: bool = True) -> None:
    """As PaddleSeg: in place, then its line; None: it was killed before that."""
    folder = run_dir / PLACE
    folder.mkdir(parents=True, exist_ok=True)
    data = pickle.dumps({"iter": iteration}, protocol=4)
    (folder / "model.pdparams").write_bytes(data if whole else data[:-1])
    if miou is not None:
        with (run_dir / "metrics.jsonl").open("a") as handle:
            handle.write(json.dumps({"kind": "best", "iter": iteration, "miou": miou, "attempt": attempt}) + "\n")


def iteration_at_place(run_dir: Path) -> int:
    return int(pickle.loads((run_dir / PLACE / "model.pdparams").read_bytes())["iter"])


def test_a_worse_one_is_replaced_and_what_replaced_it_is_told(weird_path: Path) -> None:
    save_best(weird_path, 10, 0.5, 1)
    keep_best(weird_path, PLACE, "train", 2)
    save_best(weird_path, 20, 0.3, 2)
    assert settle_best(weird_path, "train") == {"miou": 0.5, "iter": 10, "instead_of": 0.3}
    assert iteration_at_place(weird_path) == 10
    assert settle_best(weird_path, "train") is None


def test_a_better_one_stays(tmp_path: Path) -> None:
    save_best(tmp_path, 10, 0.5, 1)
    keep_best(tmp_path, PLACE, "train", 2)
    save_best(tmp_path, 20, 0.7, 2)
    assert settle_best(tmp_path, "train") is None
    assert iteration_at_place(tmp_path) == 20


@pytest.mark.parametrize("gone", [False, True])
def test_one_that_is_cut_off_or_gone_is_replaced(tmp_path: Path, gone: bool) -> None:
    save_best(tmp_path, 10, 0.5, 1)
    keep_best(tmp_path, PLACE, "train", 2)
    save_best(tmp_path, 20, None, 2, whole=False)
    if gone:
        shutil.rmtree(tmp_path / PLACE)
    assert settle_best(tmp_path, "train") is not None
    assert iteration_at_place(tmp_path) == 10


def test_one_that_was_saved_but_not_yet_told_does_not_win(tmp_path: Path) -> None:
    save_best(tmp_path, 10, 0.5, 1)
    keep_best(tmp_path, PLACE, "train", 2)
    save_best(tmp_path, 20, None, 2)
    settle_best(tmp_path, "train")
    assert iteration_at_place(tmp_path) == 10


def test_what_the_killed_supervisor_did_not_read_stands_in_the_log(tmp_path: Path) -> None:
    save_best(tmp_path, 10, 0.5, 1)
    keep_best(tmp_path, PLACE, "train", 2)
    save_best(tmp_path, 20, None, 2)
    (tmp_path / "log" / "train-2").mkdir(parents=True)
    line = "[EVAL] The model with the best validation mIoU (0.6000) was saved at iter 20.\n"
    (tmp_path / "log" / "train-2" / "workerlog.0").write_text(line)
    assert settle_best(tmp_path, "train") is None
    assert iteration_at_place(tmp_path) == 20


def test_over_many_attempts_the_best_of_all_stays(tmp_path: Path) -> None:
    mious = [0.4, 0.6, 0.5, 0.2, 0.7, 0.1]
    for attempt, miou in enumerate(mious, 1):
        settle_best(tmp_path, "train")
        keep_best(tmp_path, PLACE, "train", attempt)
        save_best(tmp_path, attempt * 10, miou, attempt)
        settle_best(tmp_path, "train")
        assert iteration_at_place(tmp_path) == 10 * (mious.index(max(mious[:attempt])) + 1)


KILLED: dict[str, Json] = {
    "while it was copied aside": {"left": "kept/.best_model.part", "expected": 20},
    "while it was put back": {"left": "output/.best_model.part", "expected": 10, "told": True},
    "after the worse one was moved away": {
        "left": "output/.best_model.old",
        "expected": 10,
        "told": True,
        "gone": True,
    },
}


@pytest.mark.parametrize("name", KILLED)
def test_killed_in_the_middle_the_next_call_settles_it(tmp_path: Path, name: str) -> None:
    case = KILLED[name]
    save_best(tmp_path, 10, 0.5, 1)
    if case.get("told"):
        keep_best(tmp_path, PLACE, "train", 2)
    save_best(tmp_path, 20, 0.3, 2)
    left = tmp_path / case["left"]
    left.mkdir(parents=True)
    (left / "model.pdparams").write_bytes(b"\x80half")
    if case.get("gone"):
        shutil.rmtree(tmp_path / PLACE)
    settle_best(tmp_path, "train")
    assert iteration_at_place(tmp_path) == case["expected"]
    keep_best(tmp_path, PLACE, "train", 3)
    settle_best(tmp_path, "train")
    assert iteration_at_place(tmp_path) == case["expected"]
    assert sorted(path.name for path in (tmp_path / "output").iterdir())[-1] == "best_model"
