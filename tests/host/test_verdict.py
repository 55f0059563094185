"""What ended an attempt: a case is a file in data/verdicts, what the logs held and what is concluded."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from jobctl.host import control, verdict
from tests.host.runs import (
    make_job,
    marked_processes,
    python_stage,
    read_lines,
    run_job,
    stage_run,
    train_stage,
    wait_for,
    wait_for_end,
)

CASES = sorted((Path(__file__).parent / "data" / "verdicts").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_logs_of_a_failed_attempt_tell_its_kind_and_its_first_rank(path: Path) -> None:
    case = json.loads(path.read_text())
    facts = {"stage": "train", "attempt": 1, "code": None, "workers": {}, "log": "", "at": 5.0, **case["facts"]}
    for name in ("workers", "gone"):
        facts[name] = {int(rank): value for rank, value in (facts.get(name) or {}).items()}
    found = verdict.make_verdict(verdict.Facts(**facts))
    assert {name: found[name] for name in case["verdict"]} == case["verdict"]
    assert len(found["evidence"]) <= 12
    assert all(line.strip() for line in found["evidence"])


def test_only_what_would_fail_again_counts_as_repeating() -> None:
    assert [kind for kind in ("config", "data", "environment", "cpu") if not verdict.would_repeat(kind)] == []
    assert [kind for kind in ("crash", "killed", "oom", "hang", "unknown", None) if verdict.would_repeat(kind)] == []


def test_the_verdict_on_a_killed_rank_is_in_status_and_events(tmp_path: Path) -> None:
    status = run_job(tmp_path, make_job("killed-1", [train_stage({"fail": {"2": {"signal": 9}}})]))
    found = status["verdict"]
    assert (found["kind"], found["stage"], found["attempt"], found["rank"]) == ("killed", "train", 1, 2)
    assert found["ended"] == "killed by SIGKILL"
    events = [
        line for line in read_lines(tmp_path / "runs" / "killed-1" / "events.jsonl") if line["event"] == "verdict"
    ]
    assert [event["verdict"] for event in events] == [found]


SENT: dict[str, tuple[int, bool, str, int | None]] = {
    "SIGTERM to the launcher": (signal.SIGTERM, False, "preempted", None),
    "SIGKILL to the launcher": (signal.SIGKILL, False, "killed", None),
    "SIGKILL to a rank": (signal.SIGKILL, True, "killed", 3),
}


@pytest.mark.parametrize("name", SENT)
def test_what_somebody_else_ends_is_told_apart_from_a_crash(tmp_path: Path, name: str) -> None:
    signum, to_a_rank, kind, rank = SENT[name]
    job = make_job("sent-1", [train_stage({"iters": 100000, "step_s": 0.05})])
    run_dir = stage_run(tmp_path, job)
    control.start(tmp_path, "sent-1")
    wait_for(lambda: control.status(run_dir), lambda status: bool(status["progress"].get("iter")))
    words = [b"--rank", b"3"] if to_a_rank else [b"stub_launch.py"]
    os.kill(next(pid for pid in marked_processes(run_dir) if ends_with(pid, words)), signum)
    status = wait_for_end(run_dir)
    assert (status["verdict"]["kind"], status["verdict"]["rank"]) == (kind, rank), status["verdict"]


def ends_with(pid: int, words: list[bytes]) -> bool:
    argv = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    tail = argv[-len(words) :]
    return [tail[0].rpartition(b"/")[2], *tail[1:]] == words


def test_a_later_attempt_that_succeeds_takes_the_verdict_back(tmp_path: Path) -> None:
    stage = train_stage({"die_attempts": 1}, started_when=r"\[TRAIN\]", start_timeout_s=600, start_attempts=2)
    status = run_job(tmp_path, make_job("second-1", [stage]))
    assert (status["state"], status["verdict"]) == ("SUCCEEDED", None)
    events = read_lines(tmp_path / "runs" / "second-1" / "events.jsonl")
    assert [event["verdict"]["kind"] for event in events if event["event"] == "verdict"] == ["start"]


def test_a_verdict_holds_no_secret(tmp_path: Path) -> None:
    stage = python_stage("s", "import os; print('a line'); raise ValueError('token ' + os.environ['TOKEN'])")
    job = make_job("secret-1", [stage], secrets=["TOKEN"])
    status = run_job(tmp_path, job, {"TOKEN": "hunter2-hunter2"})
    assert status["verdict"]["line"] == "ValueError: token ***"
    assert "hunter2" not in json.dumps(status["verdict"])
    assert "hunter2" not in (tmp_path / "runs" / "secret-1" / "events.jsonl").read_text()


def test_a_fault_of_our_own_is_the_supervisors_verdict(tmp_path: Path) -> None:
    status = run_job(tmp_path, make_job("ours-1", [{"name": "s", "steps": [{}]}]))
    assert status["state"] == "FAILED"
    assert (status["verdict"]["kind"], status["verdict"]["line"]) == ("supervisor", status["reason"])
