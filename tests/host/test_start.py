"""Starting a run: once, whole, and on its own feet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jobctl.host import control
from jobctl.host.server import OpError
from tests.host.runs import Json, make_job, python_stage, read_lines, run_job, stage_run, wait_for, wait_for_end

SLEEP = "import time; time.sleep(0.3)"
START_AND_STAY = (
    "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from jobctl.host import control; "
    "control.start(Path(sys.argv[2]), sys.argv[3]); print('started', flush=True); time.sleep(3600)"
)
PROJECT = str(Path(control.__file__).parents[2])


def test_a_run_survives_the_death_of_its_starters_whole_session(weird_path: Path) -> None:
    script = "import time; [time.sleep(0.05) for _ in range(20)]; open('output/late', 'w').write('x')"
    run_dir = stage_run(weird_path, make_job("survive-1", [python_stage("s", script, must_leave=["output/late"])]))
    argv = [sys.executable, "-c", START_AND_STAY, PROJECT, str(weird_path), "survive-1"]
    starter = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    assert starter.stdout is not None
    with starter.stdout:
        assert starter.stdout.readline() == b"started\n"
        for signum in (signal.SIGHUP, signal.SIGKILL):
            os.killpg(starter.pid, signum)
        starter.wait()
    assert control.status(run_dir)["state"] in ("QUEUED", "RUNNING")
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"


def test_starting_twice_at_once_gives_one_supervisor(tmp_path: Path) -> None:
    run_dir = stage_run(tmp_path, make_job("once-1", [python_stage("s", SLEEP)]))
    answers: list[Json] = []
    threads = [threading.Thread(target=lambda: answers.append(control.start(tmp_path, "once-1"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert {answer["state"] for answer in answers} <= {"QUEUED", "RUNNING", "SUCCEEDED"}
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"
    events = [line["event"] for line in read_lines(run_dir / "events.jsonl")]
    assert events.count("supervisor_started") == 1


@pytest.mark.parametrize("after_s", [0.0, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2])
def test_a_starter_killed_at_any_moment_leaves_one_run_that_can_be_started(tmp_path: Path, after_s: float) -> None:
    run_dir = stage_run(tmp_path, make_job("killed-1", [python_stage("s", SLEEP)]))
    argv = [sys.executable, "-c", START_AND_STAY, PROJECT, str(tmp_path), "killed-1"]
    starter = subprocess.Popen(argv, stdout=subprocess.DEVNULL, start_new_session=True)
    time.sleep(after_s)
    starter.kill()
    starter.wait()
    assert run_dir.exists() != (tmp_path / "staging" / "killed-1").exists()
    control.start(tmp_path, "killed-1")
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"
    events = [line["event"] for line in read_lines(run_dir / "events.jsonl")]
    assert events.count("supervisor_started") == 1


def test_starting_a_run_that_has_ended_tells_how_it_ended(tmp_path: Path) -> None:
    run_job(tmp_path, make_job("again-1", [python_stage("s", "pass")]))
    assert control.start(tmp_path, "again-1")["state"] == "SUCCEEDED"


def test_a_run_whose_starter_died_before_the_supervisor_lived_can_be_started(tmp_path: Path) -> None:
    run_dir = stage_run(tmp_path, make_job("half-1", [python_stage("s", "pass")]))
    run_dir.parent.mkdir()
    (tmp_path / "staging" / "half-1").rename(run_dir)
    assert control.status(run_dir)["state"] == "LOST"
    control.start(tmp_path, "half-1")
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"


def test_a_supervisor_that_dies_at_once_is_reported_with_what_it_said(tmp_path: Path) -> None:
    stage_run(tmp_path, make_job("broken-1", [python_stage("s", "pass")]))
    argv = [sys.executable, "-c", "raise SystemExit('the disk is on fire')"]
    with pytest.raises(OpError, match="the supervisor of the run did not start") as caught:
        control.start(tmp_path, "broken-1", argv)
    assert "the disk is on fire" in caught.value.details["log"]
    control.start(tmp_path, "broken-1")
    assert wait_for_end(tmp_path / "runs" / "broken-1")["state"] == "SUCCEEDED"


def test_a_run_that_was_never_put_together_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(OpError, match="there is no run"):
        control.start(tmp_path, "nothing-1")


def test_a_run_is_never_seen_without_a_supervisor_while_it_starts(tmp_path: Path) -> None:
    run_dir = stage_run(tmp_path, make_job("seen-1", [python_stage("s", "pass")]))
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            if run_dir.exists():
                seen.append(control.status(run_dir)["state"])

    watcher = threading.Thread(target=look)
    watcher.start()
    control.start(tmp_path, "seen-1")
    wait_for_end(run_dir)
    done.set()
    watcher.join()
    assert "LOST" not in seen


def test_runs_are_listed_oldest_first_and_rubbish_is_left_out(weird_path: Path) -> None:
    for number in (2, 1):
        stage_run(weird_path, make_job(f"list-{number}", [python_stage("s", "pass")], submitted_at=float(number)))
        control.start(weird_path, f"list-{number}")
    (weird_path / "runs" / "rubbish").mkdir()
    wait_for(
        lambda: {"states": [run["state"] for run in control.list_runs(weird_path)]},
        lambda answer: answer["states"] == ["SUCCEEDED", "SUCCEEDED"],
    )
    assert [run["run_id"] for run in control.list_runs(weird_path)] == ["list-1", "list-2"]
    assert control.list_runs(weird_path / "nowhere") == []
