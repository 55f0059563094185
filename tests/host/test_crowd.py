"""Many runs on one host: each gets its cards in its turn, none is forgotten, no two hold the same."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jobctl.host import control
from tests.host.runs import Json, make_job, read_lines, stage_run, wait_for, wait_for_end
from tests.host.smi import FakeSmi

RUNS = 20
HOLD = "import os, time\nwhile os.path.exists({!r}): time.sleep(0.05)"


def start(root: Path, number: int, script: str) -> Path:
    """The run, once it has its place in the queue or its cards."""
    step = {"argv": [sys.executable, "-c", script], "distributed": True}
    job = make_job(f"crowd-{number}", [{"name": "s", "steps": [step]}], device="npu", cards=4)
    run_dir = stage_run(root, job)
    control.start(root, f"crowd-{number}")
    wait_for(lambda: control.status(run_dir), lambda status: status["state"] != "QUEUED" or bool(status["waiting"]))
    return run_dir


def event(run_dir: Path, name: str) -> Json:
    return next(line for line in read_lines(run_dir / "events.jsonl") if line["event"] == name)


def test_twenty_runs_of_four_cards_on_eight_run_two_at_a_time_in_the_order_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi = FakeSmi(tmp_path / "smi bin")
    smi.show(list(range(8)))
    monkeypatch.setenv("PATH", f"{smi.folder}:{os.environ['PATH']}")
    gate = tmp_path / "gate"
    gate.touch()
    runs = [start(tmp_path, number, HOLD.format(str(gate))) for number in range(RUNS)]
    queued = control.status(runs[-1])
    assert queued["waiting"]["ahead"] == [f"crowd-{number}" for number in range(2, RUNS - 1)]
    assert {row["run_id"] for row in queued["waiting"]["holders"]} == {"crowd-0", "crowd-1"}
    gate.unlink()
    ended = [wait_for_end(run_dir) for run_dir in runs]
    assert [status["state"] for status in ended] == ["SUCCEEDED"] * RUNS

    begun = [event(run_dir, "cards_held")["since"] for run_dir in runs]
    over = [event(run_dir, "stage_ended")["at"] for run_dir in runs]
    assert begun == sorted(begun), "in order"
    gaps = [start - end for start, end in zip(begun[2:], sorted(over), strict=False)]
    assert all(gap >= 0 for gap in gaps), "the third begins after the first of two has ended, and so on"
    for one in range(RUNS):
        for other in range(one + 1, RUNS):
            if begun[other] < over[one]:
                assert not set(ended[one]["cards"]) & set(ended[other]["cards"])
                assert ended[one]["ports"] != ended[other]["ports"]
    print(f"from a release to the next start: {sorted(gaps)[len(gaps) // 2]:.2f} s, at most {max(gaps):.2f} s")
