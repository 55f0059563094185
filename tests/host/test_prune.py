"""`checkpoints.keep`: which checkpoints go, over all attempts, and which never."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from jobctl.host import results
from jobctl.host.checkpoints import Checkpoint
from jobctl.host.prune import Pruning, surplus
from tests.host.runs import make_job, python_stage, read_lines, run_job

SPEC = {
    "path": "output/iter_*",
    "files": ["model.pdparams", "model.pdopt"],
    "resume": ["--resume_model", "{checkpoint}"],
}
FILES = ("model.pdparams", "model.pdopt")


def save(run_dir: Path, iteration: int, content: str = "weights") -> Path:
    """A checkpoint as PaddleSeg leaves it."""
    folder = run_dir / "output" / f"iter_{iteration}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_bytes(pickle.dumps([content] * 100, protocol=4))
    return folder


def iterations(run_dir: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in (run_dir / "output").glob("iter_*"))


def prune(run_dir: Path, keep: int, resumed_from: str | None = None) -> Pruning:
    return Pruning(run_dir, {**SPEC, "keep": keep}, resumed_from)


# found, those from before, keep, resumed at, running -> what goes
CASES: list[tuple[list[int], list[int], int, int, bool, list[int]]] = [
    ([], [], 1, 0, False, []),
    ([10], [], 1, 0, False, []),
    ([10, 20, 30], [], 2, 0, False, [10]),
    ([10, 20, 30], [], 2, 0, True, []),  # the training removes its own, and dies when one is gone
    ([10, 20, 30], [10, 20], 1, 20, True, [10, 20]),
    ([10, 20], [10, 20], 1, 20, True, [10]),
    ([10, 20, 30], [10, 20, 30], 1, 10, True, []),  # it went on from an older one, and has nothing to show yet
    ([10, 20, 30], [10, 20, 30], 1, 10, False, [20]),
    ([10, 15, 20, 30], [10, 20, 30], 1, 10, True, [10]),  # it may write iter_20 again
    ([10, 15, 20, 30], [10, 20, 30], 2, 10, False, [20, 30]),
    ([10, 20, 30], [10, 20, 30], 5, 20, False, []),
]


@pytest.mark.parametrize(("found", "before", "keep", "resumed_at", "running", "gone"), CASES)
def test_the_oldest_go(
    found: list[int], before: list[int], keep: int, resumed_at: int, running: bool, gone: list[int]
) -> None:
    there = [Checkpoint(Path(f"iter_{number}"), number, 0.0) for number in found]
    old = surplus(there, keep, resumed_at, {Path(f"iter_{number}") for number in before}, running)
    assert sorted(one.iteration for one in old) == gone


def test_checkpoints_of_earlier_attempts_go_as_soon_as_there_are_newer_ones(weird_path: Path) -> None:
    for iteration in (10, 20):
        save(weird_path, iteration)
    pruning = prune(weird_path, 2, "iter_20")
    assert pruning.prune(running=True) == []
    save(weird_path, 30)
    assert pruning.prune(running=True) == ["iter_10"]
    save(weird_path, 40)
    assert pruning.prune(running=True) == ["iter_20"]
    save(weird_path, 50)
    assert pruning.prune(running=True) == [], "the training has written these itself"
    assert pruning.prune(running=False) == ["iter_30"]
    assert iterations(weird_path) == [40, 50]


def test_one_that_is_being_written_neither_counts_nor_goes(weird_path: Path) -> None:
    save(weird_path, 10)
    pruning = prune(weird_path, 1, "iter_10")
    whole = (save(weird_path, 20) / "model.pdopt").read_bytes()
    (weird_path / "output" / "iter_20" / "model.pdopt").write_bytes(whole[:-5])
    assert pruning.prune(running=True) == []
    (weird_path / "output" / "iter_20" / "model.pdopt").write_bytes(whole)
    assert pruning.prune(running=True) == ["iter_10"]


def test_the_best_model_links_and_other_folders_stay(weird_path: Path) -> None:
    outside = weird_path / "outside"
    save(outside, 5)
    run_dir = weird_path / "run"
    for iteration in (10, 20):
        save(run_dir, iteration)
    for name in ("best_model", "iter_last"):
        (run_dir / "output" / name).mkdir()
        (run_dir / "output" / name / "model.pdparams").write_bytes(b"best")
    (run_dir / "output" / "iter_1").symlink_to(outside / "output" / "iter_5")
    (run_dir / "elsewhere").symlink_to(outside / "output")
    pruning = Pruning(run_dir, {**SPEC, "path": "*/*", "keep": 1}, None)
    assert pruning.prune(running=False) == ["iter_10"]
    assert sorted(path.name for path in (run_dir / "output").iterdir()) == [
        "best_model",
        "iter_1",
        "iter_20",
        "iter_last",
    ]
    assert iterations(outside) == [5]


def test_what_a_killed_removal_left_is_neither_pulled_nor_kept(weird_path: Path) -> None:
    job = make_job("left", [], artifacts=[{"name": "all", "path": "output/**"}])
    run_job(weird_path, job)
    run_dir = weird_path / "runs" / "left"
    save(run_dir, 10)
    half = run_dir / "output" / ".gone-iter_5-77"
    half.mkdir()
    (half / "model.pdopt").write_bytes(b"half")
    assert not [path for path, _ in results.find(run_dir) if "gone" in path]
    prune(run_dir, 1)
    assert not half.exists()
    assert iterations(run_dir) == [10]


SAVE = """
import os, pickle
for number in (10, 20, 30):
    os.makedirs("../output/iter_%d" % number)
    for name in ("model.pdparams", "model.pdopt"):
        pickle.dump("x" * 100, open("../output/iter_%d/%s" % (number, name), "wb"))
"""


@pytest.mark.parametrize(("keep", "left"), [(None, [10, 20, 30]), (2, [20, 30]), (1, [30])])
def test_a_run_keeps_as_many_as_its_job_says(weird_path: Path, keep: Any, left: list[int]) -> None:
    stage = python_stage("train", SAVE, checkpoints={**SPEC, "best": None, "keep": keep})
    assert run_job(weird_path, make_job("keeps", [stage]))["state"] == "SUCCEEDED"
    run_dir = weird_path / "runs" / "keeps"
    assert iterations(run_dir) == left
    told = [line["names"] for line in read_lines(run_dir / "events.jsonl") if line["event"] == "checkpoints_removed"]
    assert told == ([[f"iter_{number}" for number in (10, 20, 30) if number not in left]] if keep else [])
