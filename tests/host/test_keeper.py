"""The keeper: what happens when the supervisor itself is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from jobctl.host import control
from tests.host.runs import (
    Json,
    is_alive,
    keeper_of,
    kill_with_keeper,
    make_job,
    marked_processes,
    pretend_another_boot,
    python_stage,
    read_lines,
    stage_run,
    train_stage,
    wait_for,
    wait_for_end,
)

ENDLESS: Json = {"iters": 100000, "step_s": 0.02}


def start_training(root: Path, run_id: str) -> Path:
    run_dir = stage_run(root, make_job(run_id, [train_stage(ENDLESS)]))
    control.start(root, run_id)
    wait_for(lambda: control.status(run_dir), lambda status: bool(status["progress"]))
    return run_dir


def wait_until_gone(*pids: int) -> None:
    wait_for(lambda: {"alive": [pid for pid in pids if is_alive(pid)]}, lambda answer: not answer["alive"])


def test_a_run_whose_supervisor_is_killed_is_lost_with_a_reason_and_nothing_of_it_runs(weird_path: Path) -> None:
    run_dir = start_training(weird_path, "lost-1")
    supervisor, keeper = control.status(run_dir)["supervisor"]["pid"], keeper_of(run_dir)
    os.kill(supervisor, signal.SIGKILL)
    lost = wait_for_end(run_dir)
    assert lost["state"] == "LOST"
    assert lost["reason"] == "its supervisor was killed by SIGKILL; to go on: jobctl resume lost-1"
    assert marked_processes(run_dir) == []
    wait_until_gone(keeper)
    events = [line for line in read_lines(run_dir / "events.jsonl") if line["event"] == "supervisor_lost"]
    assert [(line["pid"], line["reason"]) for line in events] == [(supervisor, "its supervisor was killed by SIGKILL")]


def test_a_run_that_loses_its_keeper_goes_on_to_its_end(tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    script = f"import os, time\nwhile not os.path.exists({str(stop)!r}): time.sleep(0.05)"
    run_dir = stage_run(tmp_path, make_job("alone-1", [python_stage("s", script)]))
    control.start(tmp_path, "alone-1")
    wait_for(lambda: control.status(run_dir), lambda status: status["stages"][0]["state"] == "RUNNING")
    keeper = keeper_of(run_dir)
    os.kill(keeper, signal.SIGKILL)
    wait_until_gone(keeper)
    assert control.status(run_dir)["state"] == "RUNNING"
    stop.touch()
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"


def test_a_keeper_that_is_asked_to_stop_hands_that_on_to_the_supervisor(tmp_path: Path) -> None:
    run_dir = start_training(tmp_path, "handed-1")
    keeper = keeper_of(run_dir)
    os.kill(keeper, signal.SIGHUP)  # is nothing to it
    os.kill(keeper, signal.SIGTERM)
    assert wait_for_end(run_dir)["state"] in ("CANCELLED", "FAILED")
    assert marked_processes(run_dir) == []
    wait_until_gone(keeper)


def test_a_lost_run_can_be_cancelled(tmp_path: Path) -> None:
    run_dir = start_training(tmp_path, "lost-2")
    os.kill(control.status(run_dir)["supervisor"]["pid"], signal.SIGKILL)
    assert wait_for_end(run_dir)["state"] == "LOST"
    assert control.cancel(tmp_path, "lost-2")["state"] == "CANCELLED"


def test_supervisor_and_keeper_are_gone_when_the_run_has_ended(tmp_path: Path) -> None:
    run_dir = start_training(tmp_path, "gone-1")
    supervisor, keeper = control.status(run_dir)["supervisor"]["pid"], keeper_of(run_dir)
    control.cancel(tmp_path, "gone-1", grace_s=0.5)
    wait_until_gone(supervisor, keeper)


def test_a_run_of_another_boot_says_that_the_host_was_restarted(tmp_path: Path) -> None:
    run_dir = start_training(tmp_path, "boot-1")
    kill_with_keeper(run_dir)
    wait_for_end(run_dir)
    pretend_another_boot(run_dir)
    reason = control.status(run_dir)["reason"]
    assert reason.startswith("the host was restarted at ")
    assert reason.endswith("; to go on: jobctl resume boot-1")
    control.cancel(tmp_path, "boot-1", grace_s=0.5)


RETRY: Json = {"attempts": 2, "on": ["lost"], "backoff_s": 0}
WAIT_FOR_STOP = "import os, time\nwhile not os.path.exists('../stop'): time.sleep(0.05)"


def kill_supervisor_once_it_runs(run_dir: Path, resumes: int) -> None:
    status = wait_for(
        lambda: control.status(run_dir),
        lambda status: status["resumes"] == resumes and status["stages"][0]["state"] == "RUNNING",
    )
    os.kill(status["supervisor"]["pid"], signal.SIGKILL)


def start_with_retry(root: Path, run_id: str, **retry: object) -> Path:
    run_dir = stage_run(root, make_job(run_id, [python_stage("s", WAIT_FOR_STOP)], retry={**RETRY, **retry}))
    control.start(root, run_id)
    return run_dir


def test_a_lost_run_begins_again_by_itself_when_its_retry_says_so(weird_path: Path) -> None:
    run_dir = start_with_retry(weird_path, "again-1")
    kill_supervisor_once_it_runs(run_dir, resumes=0)
    wait_for(lambda: control.status(run_dir), lambda status: status["resumes"] == 1 and status["state"] == "RUNNING")
    (run_dir / "stop").touch()
    status = wait_for_end(run_dir)
    assert (status["state"], status["reason"], status["retry_at"]) == ("SUCCEEDED", None, None)
    assert marked_processes(run_dir) == []


def test_a_run_that_is_lost_too_often_stays_lost_and_says_how_often(tmp_path: Path) -> None:
    run_dir = start_with_retry(tmp_path, "again-2")
    for resumes in (0, 1):
        kill_supervisor_once_it_runs(run_dir, resumes)
    lost = wait_for_end(run_dir)
    why = "its supervisor was killed by SIGKILL; not tried again: 2 tries of 2; to go on: jobctl resume again-2"
    assert (lost["state"], lost["reason"]) == ("LOST", why)


def test_a_lost_run_can_be_cancelled_while_it_waits_to_begin_again(tmp_path: Path) -> None:
    run_dir = start_with_retry(tmp_path, "again-3", backoff_s=3600)
    kill_supervisor_once_it_runs(run_dir, resumes=0)
    waiting = wait_for(lambda: control.status(run_dir), lambda status: bool(status["retry_at"]))
    assert waiting["reason"] == "its supervisor was killed by SIGKILL; tried again"
    assert control.cancel(tmp_path, "again-3", grace_s=1)["state"] == "CANCELLED"
