"""What ended an attempt: a case is a file in data/verdicts, what the logs held and what is concluded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.host import verdict
from tests.host.runs import make_job, python_stage, read_lines, run_job, train_stage

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
