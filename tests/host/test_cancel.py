"""Cancelling: nothing of the run lives on, nothing of anybody else's is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.host import control
from jobctl.host.server import OpError
from tests.host.runs import (
    STUB_LAUNCH,
    Json,
    is_alive,
    kill_with_keeper,
    make_job,
    marked_processes,
    python_stage,
    read_lines,
    run_job,
    stage_run,
    train_stage,
    wait_for,
)

ENDLESS: Json = {"iters": 100000, "step_s": 0.02}


def start_training(root: Path, run_id: str, plan: Json) -> Path:
    """A run whose four ranks are training."""
    run_dir = stage_run(root, make_job(run_id, [train_stage(plan)]))
    control.start(root, run_id)
    wait_for(lambda: control.status(run_dir), lambda status: bool(status["progress"]))
    assert len(marked_processes(run_dir)) >= 5
    return run_dir


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's training with the very same command line."""
    environ = dict(os.environ, STUB_LAUNCH=json.dumps(ENDLESS), PADDLE_LOG_DIR=str(tmp_path / "theirs"))
    child = subprocess.Popen([sys.executable, "-u", STUB_LAUNCH], env=environ, stdout=subprocess.DEVNULL)
    yield child
    child.terminate()
    child.wait()


@pytest.mark.parametrize("ignore_term", [False, True])
def test_cancel_ends_every_rank_and_leaves_a_stranger_alone(
    weird_path: Path, stranger: subprocess.Popen[bytes], ignore_term: bool
) -> None:
    run_dir = start_training(weird_path, "cancel-1", {**ENDLESS, "ignore_term": ignore_term})
    status = control.cancel(weird_path, "cancel-1", grace_s=0.5)
    assert status["state"] == "CANCELLED"
    assert status["stages"][0]["state"] == "CANCELLED"
    assert marked_processes(run_dir) == []
    assert not is_supervised(run_dir)
    assert stranger.poll() is None
    assert len(children_of(stranger.pid)) == 4


def test_what_a_dead_supervisor_left_behind_is_found_and_ended(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    run_dir = start_training(tmp_path, "orphan-1", {**ENDLESS, "ignore_term": True})
    kill_with_keeper(run_dir)
    lost = wait_for(lambda: control.status(run_dir), lambda status: status["state"] == "LOST")
    why = "its supervisor was killed, and its keeper with it; to go on: jobctl resume orphan-1"
    assert lost["reason"] == why
    assert marked_processes(tmp_path / "runs" / "orphan-1") != []
    status = control.cancel(tmp_path, "orphan-1", grace_s=0.2)
    assert status["state"] == "CANCELLED"
    assert marked_processes(tmp_path / "runs" / "orphan-1") == []
    assert stranger.poll() is None


def test_a_supervisor_that_does_not_answer_is_ended_with_all_it_started(tmp_path: Path) -> None:
    run_dir = start_training(tmp_path, "stopped-1", ENDLESS)
    supervisor = control.status(run_dir)["supervisor"]["pid"]
    os.kill(supervisor, signal.SIGSTOP)
    status = control.cancel(tmp_path, "stopped-1", grace_s=0.2, patience_s=0.3)
    assert status["state"] == "CANCELLED"
    assert marked_processes(tmp_path / "runs" / "stopped-1") == []
    assert not is_alive(supervisor)


def test_cancelling_twice_at_once_ends_the_run_once(tmp_path: Path) -> None:
    start_training(tmp_path, "twice-1", ENDLESS)
    answers: list[Json] = []

    def cancel() -> None:
        answers.append(control.cancel(tmp_path, "twice-1", grace_s=1))

    threads = [threading.Thread(target=cancel) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer["state"] for answer in answers] == ["CANCELLED"] * 3
    events = (tmp_path / "runs" / "twice-1" / "events.jsonl").read_text()
    assert events.count('"run_ended"') == 1


def test_a_run_that_has_ended_stays_as_it_ended(tmp_path: Path) -> None:
    run_job(tmp_path, make_job("ended-1", [python_stage("s", "pass")]))
    assert control.cancel(tmp_path, "ended-1")["state"] == "SUCCEEDED"
    assert control.status(tmp_path / "runs" / "ended-1")["state"] == "SUCCEEDED"


def test_a_run_that_is_not_there_cannot_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(OpError, match="there is no run nothing-1 on this host") as caught:
        control.cancel(tmp_path, "nothing-1")
    assert caught.value.kind == "no_run"


def test_secrets_are_gone_after_a_cancel_without_supervisor(tmp_path: Path) -> None:
    run_dir = stage_run(tmp_path, make_job("never-1", [python_stage("s", "pass")]), secrets={"TOKEN": "s3cr3t"})
    run_dir.parent.mkdir()
    (tmp_path / "staging" / "never-1").rename(run_dir)
    assert control.cancel(tmp_path, "never-1")["state"] == "CANCELLED"
    assert not (run_dir / "secrets.json").exists()


def test_secrets_that_cannot_be_removed_do_not_keep_a_run_from_its_end(tmp_path: Path) -> None:
    run_dir = stage_run(tmp_path, make_job("never-2", [python_stage("s", "pass")]))
    run_dir.parent.mkdir()
    (tmp_path / "staging" / "never-2").rename(run_dir)
    (run_dir / "secrets.json").mkdir()  # a folder cannot be unlinked, whoever asks
    assert control.cancel(tmp_path, "never-2")["state"] == "CANCELLED"
    assert [line["event"] for line in read_lines(run_dir / "events.jsonl")] == ["secrets_left", "run_ended"]


def is_supervised(run_dir: Path) -> bool:
    supervisor = json.loads((run_dir / "status.json").read_text())["supervisor"]
    wait_for(lambda: {"alive": is_alive(supervisor["pid"])}, lambda answer: not answer["alive"])
    return is_alive(supervisor["pid"])


def children_of(pid: int) -> list[int]:
    found = (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().split()
    return [int(child) for child in found]
