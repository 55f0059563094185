"""A work_dir that cannot be written any more: a run can still be ended, and its results can be fetched.

The full disk is imitated by a folder in the place of the file that would be written.
"""

from __future__ import annotations

import json
from pathlib import Path

from jobctl.host import control
from jobctl.host.results import listing
from jobctl.host.server import Request
from tests.host.runs import make_job, marked_processes, python_stage, run_job, stage_run, wait_for


class Answers:
    """The server's side of a request: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, object]] = []

    def send(self, header: dict[str, object], payload: bytes = b"") -> None:
        self.told.append(header)


def test_a_run_is_cancelled_although_nothing_can_be_noted(weird_path: Path) -> None:
    run_dir = stage_run(weird_path, make_job("full", [python_stage("s", "import time; time.sleep(600)")]))
    control.start(weird_path, "full")
    wait_for(lambda: control.status(run_dir), lambda status: status["stages"][0]["state"] == "RUNNING")
    (run_dir / "cancel.json" / "in the way").mkdir(parents=True)
    assert control.cancel(weird_path, "full")["state"] == "CANCELLED"
    assert marked_processes(run_dir) == []


def test_results_are_listed_although_their_hashes_cannot_be_kept(weird_path: Path) -> None:
    run_job(weird_path, make_job("full", [python_stage("s", "print(1)")]))
    run_dir = weird_path / "runs" / "full"
    (run_dir / ".artifact-hashes.json" / "in the way").mkdir(parents=True)
    last = listing(Request(Answers(), {"id": 1}, b""), run_dir)  # type: ignore[arg-type]
    assert last is not None and "logs/s.log" in [row[0] for row in last["rows"]]


def test_kept_hashes_that_are_damaged_are_made_anew(weird_path: Path) -> None:
    run_job(weird_path, make_job("damaged", [python_stage("s", "print(1)")]))
    run_dir = weird_path / "runs" / "damaged"
    (run_dir / ".artifact-hashes.json").write_text(json.dumps({"logs/s.log": 5, "job.json": [1, 2, 3]}))
    last = listing(Request(Answers(), {"id": 1}, b""), run_dir)  # type: ignore[arg-type]
    assert last is not None and all(len(row[3]) == 64 for row in last["rows"])
