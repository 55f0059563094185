"""Files of a run that somebody damaged: it hides no other run, and it can still be cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobctl.host import control, results
from jobctl.host.logs import LogReader
from jobctl.host.server import OpError
from tests.host.runs import Json, make_job, python_stage, run_job, stage_run

STATUSES = (
    "",
    "{",
    "[]",
    "{}",
    '{"state": 5}',
    '{"state": "RUNNING", "supervisor": "x", "stages": 7}',
    '{"state": "RUNNING", "supervisor": "x", "stages": []}',
    '{"version": 9, "state": "FLYING", "stages": []}',
)
JOBS = ("", "[]", "{}", '{"stages": 5}', '{"run_id": "x", "stages": [{}], "artifacts": [5]}')


@pytest.fixture
def runs(weird_path: Path) -> tuple[Path, Path]:
    """A work_dir with a run that has ended, and the folder of another, to be damaged."""
    run_job(weird_path, make_job("good", [python_stage("a", "pass")]))
    damaged = stage_run(weird_path, make_job("damaged", [python_stage("a", "pass")]))
    (weird_path / "staging" / "damaged").rename(damaged)
    return weird_path, damaged


def states_of(root: Path) -> Json:
    return {row["run_id"]: row["state"] for row in control.list_runs(root)}


@pytest.mark.parametrize("text", STATUSES)
def test_a_run_with_a_damaged_status_is_lost_and_can_be_cancelled(runs: tuple[Path, Path], text: str) -> None:
    root, damaged = runs
    (damaged / "status.json").write_text(text)
    assert states_of(root) == {"good": "SUCCEEDED", "damaged": "LOST"}
    assert control.cancel(root, "damaged", grace_s=0.0)["state"] == "CANCELLED"
    assert states_of(root)["damaged"] == "CANCELLED"


@pytest.mark.parametrize("text", JOBS)
def test_a_run_with_a_damaged_job_hides_no_other(runs: tuple[Path, Path], text: str) -> None:
    root, damaged = runs
    (damaged / "job.json").write_text(text)
    assert states_of(root) == {"good": "SUCCEEDED"}
    assert LogReader(damaged, None, None).files() == []
    assert [path for path, _ in results.find(damaged)] == ["job.json"]
    with pytest.raises(OpError, match=r"job\.json is damaged"):
        control.cancel(root, "damaged", grace_s=0.0)
