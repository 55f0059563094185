"""A run that is over tells a web address, and neither waits nor fails for it. The server is real, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobctl.host import control, states
from jobctl.host.locks import is_held
from jobctl.host.results import can_be_pulled, find
from tests.hook import SECRET, serving
from tests.host.runs import Json, make_job, python_stage, read_lines, run_job, stage_run, wait_for, wait_for_end

TRAINED = (
    'print("[TRAIN] epoch: 1, iter: 20/20, loss: 0.5, lr: 0.01, ips: 2.0 samples/sec | ETA 00:00:00", flush=True);'
    'print("[EVAL] The model with the best validation mIoU (0.7812) was saved at iter 20.", flush=True)'
)


def staged(root: Path, url: str, script: str, run_id: str = "run-1", **fields: Any) -> Path:
    run_dir = stage_run(root, make_job(run_id, [python_stage("train", script)], **fields))
    path = root / "staging" / run_id / "webhook.json"
    path.write_text(json.dumps({"url": url, "host": "lab-a"}))
    path.chmod(0o600)
    return run_dir


def told(run_dir: Path, patience_s: float = 60.0) -> Json:
    """The line about it in events.jsonl."""

    def find() -> Json:
        lines = read_lines(run_dir / "events.jsonl")
        return next((line for line in lines if line["event"] in ("notified", "notify_failed")), {})

    return wait_for(find, bool, patience_s)


def events(run_dir: Path) -> list[str]:
    return [line["event"] for line in read_lines(run_dir / "events.jsonl")]


def run(root: Path, url: str, script: str) -> tuple[Path, Json]:
    run_dir = staged(root, url, script)
    control.start(root, "run-1")
    return run_dir, wait_for_end(run_dir)


def assert_no_secret_left(run_dir: Path) -> None:
    """In no file of the run, under no name."""
    for path in run_dir.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert not (run_dir / "webhook.json").exists()


def test_the_address_hears_how_a_run_ended(weird_path: Path) -> None:
    with serving() as hook:
        run_dir, status = run(weird_path, hook.url, TRAINED)
        event = told(run_dir)
    (message,) = hook.heard
    assert status["state"] == message["state"] == states.SUCCEEDED
    assert (message["run_id"], message["name"], message["host"]) == ("run-1", "test", "lab-a")
    assert (message["best_miou"], message["best_iter"], message["iter"], message["reason"]) == (0.7812, 20, 20, None)
    assert (message["started_at"], message["ended_at"]) == (status["started_at"], status["ended_at"])
    assert message["text"].startswith("run-1 on lab-a: SUCCEEDED after 0h00m")
    assert message["text"].endswith("best mIoU 0.7812")
    assert hook.paths == [f"/hooks/{SECRET}?key={SECRET}"]
    assert (event["event"], event["tries"], event["to"]) == ("notified", 1, hook.url.split("/hooks")[0])
    assert_no_secret_left(run_dir)


def test_why_it_failed_is_told_without_secrets(tmp_path: Path) -> None:
    with serving() as hook:
        script = f"import sys; print('ValueError: said {hook.url} and pa55word'); sys.exit(3)"
        run_dir = staged(tmp_path, hook.url, script, secrets=["PASS"])
        (tmp_path / "staging" / "run-1" / "secrets.json").write_text('{"PASS": "pa55word"}')
        control.start(tmp_path, "run-1")
        assert wait_for_end(run_dir)["state"] == states.FAILED
        told(run_dir)
    (message,) = hook.heard
    assert message["verdict"]["line"] == "ValueError: said *** and ***"
    assert "ValueError: said *** and ***" in message["reason"] and message["reason"] in message["text"]
    assert SECRET not in json.dumps(message) and "pa55word" not in json.dumps(message)
    assert SECRET not in (run_dir / "status.json").read_text()


def test_a_server_that_fails_twice_is_asked_a_third_time(tmp_path: Path) -> None:
    with serving(503, 500, 200) as hook:
        run_dir, _ = run(tmp_path, hook.url, "pass")
        assert told(run_dir)["tries"] == 3
    assert len(hook.heard) == 3


def gone() -> str:
    with serving() as hook:
        return hook.url


REFUSALS: list[tuple[str, int, str]] = [("404", 1, "it answers 404"), ("302", 1, "it answers 302")]


@pytest.mark.parametrize(("answer", "tries", "words"), REFUSALS, ids=str)
def test_an_answer_that_will_not_change_is_an_event_and_a_warning(
    answer: str, tries: int, words: str, tmp_path: Path
) -> None:
    with serving(int(answer)) as hook:
        run_dir, status = run(tmp_path, hook.url, "pass")
        event = told(run_dir)
    assert status["state"] == states.SUCCEEDED
    assert (event["event"], event["tries"], event["reason"]) == ("notify_failed", tries, words)
    last = wait_for(lambda: control.status(run_dir), lambda found: bool(found["warnings"]))
    assert last["state"] == states.SUCCEEDED
    assert words in last["warnings"][0]["text"] and SECRET not in json.dumps(last)
    assert len(hook.heard) == tries, "not sent on to where it was redirected"
    assert_no_secret_left(run_dir)


@pytest.mark.parametrize("kind", ["hangs", "is away"])
def test_a_server_that_says_nothing_keeps_nobody_waiting(kind: str, tmp_path: Path) -> None:
    with serving("hang") as hook:
        run_dir, status = run(tmp_path, gone() if kind == "is away" else hook.url, "pass")
        assert status["state"] == states.SUCCEEDED
        wait_for(lambda: {"held": is_held(run_dir / "supervisor.lock")}, lambda one: not one["held"])
        assert "notify_failed" not in events(run_dir), "the supervisor has gone long before it is given up"


IN_A_HURRY = "import sys, pathlib; from jobctl.host import webhook; webhook.PAUSES_S = (0.01, 0.01)"


def test_a_server_that_is_away_is_given_up_after_some_tries(tmp_path: Path) -> None:
    run_job(tmp_path, make_job("run-1", [python_stage("train", "pass")]))
    run_dir = tmp_path / "runs" / "run-1"
    (run_dir / "webhook.json").write_text(json.dumps({"url": gone(), "host": "lab-a"}))
    code = f"{IN_A_HURRY}; sys.exit(webhook.main(pathlib.Path(sys.argv[1])))"
    assert subprocess.run([sys.executable, "-c", code, str(run_dir)]).returncode == 1
    event = told(run_dir)
    assert (event["event"], event["tries"], event["reason"]) == ("notify_failed", 3, "Connection refused")
    status = control.status(run_dir)
    assert status["state"] == states.SUCCEEDED and "Connection refused" in status["warnings"][0]["text"]
    assert_no_secret_left(run_dir)


def test_a_run_whose_supervisor_was_killed_is_told_of_as_lost_and_keeps_the_address(tmp_path: Path) -> None:
    with serving() as hook:
        run_dir = staged(tmp_path, hook.url, "import time; time.sleep(600)")
        control.start(tmp_path, "run-1")
        running = wait_for(lambda: control.status(run_dir), lambda status: status["state"] == states.RUNNING)
        os.kill(running["supervisor"]["pid"], signal.SIGKILL)
        assert told(run_dir)["state"] == states.LOST
        (message,) = hook.heard
        assert message["state"] == states.LOST and "SIGKILL" in message["reason"]
        assert (run_dir / "webhook.json").stat().st_mode & 0o777 == 0o600, "for when it is resumed"
        control.cancel(tmp_path, "run-1", grace_s=1)
        heard: Callable[[], Json] = lambda: {"heard": len(hook.heard)}  # noqa: E731
        wait_for(heard, lambda one: one["heard"] == 2)
        assert hook.heard[1]["state"] == states.CANCELLED
        wait_for(lambda: {"there": (run_dir / "webhook.json").exists()}, lambda one: not one["there"])


def test_the_address_is_no_file_that_leaves_the_host(tmp_path: Path) -> None:
    run_dir = staged(tmp_path, "http://127.0.0.1:9/x", "import os; os.symlink('../webhook.json', 'output/z')")
    job = json.loads((tmp_path / "staging" / "run-1" / "job.json").read_text())
    job["artifacts"] = [{"name": "all", "path": "**"}]
    (tmp_path / "staging" / "run-1" / "job.json").write_text(json.dumps(job))
    control.start(tmp_path, "run-1")
    wait_for_end(run_dir)
    (run_dir / "webhook.json").write_text("{}")
    assert not can_be_pulled(run_dir, "webhook.json") and not can_be_pulled(run_dir, "output/z")
    names = [path for path, _ in find(run_dir)]
    assert names and not [name for name in names if "webhook" in name or name == "output/z"]


def test_a_run_without_an_address_tells_nobody(tmp_path: Path) -> None:
    assert run_job(tmp_path, make_job("run-1", [python_stage("train", "pass")]))["state"] == states.SUCCEEDED
    names = events(tmp_path / "runs" / "run-1")
    assert "run_ended" in names and not {"notified", "notify_failed"} & set(names)
