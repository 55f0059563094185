"""A run from its start to its end, under the real supervisor in a process of its own."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobctl.host import control
from jobctl.host.journal import Journal
from tests.host.runs import (
    Json,
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

WRITE_OUTPUT = "open('output/result', 'w').write('done')"


def test_stages_run_in_order_in_a_folder_with_any_name(weird_path: Path) -> None:
    first = python_stage("first", WRITE_OUTPUT, must_leave=["output/result"])
    second = python_stage("second", "print(open('output/result').read())")
    status = run_job(weird_path, make_job("order-1", [first, second]))
    assert status["state"] == "SUCCEEDED"
    assert [stage["state"] for stage in status["stages"]] == ["SUCCEEDED", "SUCCEEDED"]
    assert [stage["exit_code"] for stage in status["stages"]] == [0, 0]
    run_dir = weird_path / "runs" / "order-1"
    assert (run_dir / "logs" / "second.log").read_text().endswith("\ndone\n")
    assert [line["event"] for line in read_lines(run_dir / "events.jsonl")] == [
        "supervisor_started",
        "run_started",
        "stage_started",
        "stage_ended",
        "stage_started",
        "stage_ended",
        "run_ended",
    ]
    assert not (weird_path / "staging" / "order-1").exists()


FAILURES: dict[str, tuple[Json, str]] = {
    "exit code 0 without what it must leave": (
        python_stage("s", "pass", must_leave=["output/best/*.pdparams"]),
        "s: its steps ended with 0, but it did not leave output/best/*.pdparams",
    ),
    "an empty file is not what it must leave": (
        python_stage("s", "open('output/x', 'w')", must_leave=["output/x"]),
        "s: its steps ended with 0, but it did not leave output/x",
    ),
    "an exception": (
        python_stage("s", "raise ValueError('no such thing')"),
        "s: ValueError: no such thing · exit code 1",
    ),
    "an exception after everything was saved": (
        python_stage("s", WRITE_OUTPUT + "; raise ValueError('flops')", must_leave=["output/result"]),
        "s: ValueError: flops · exit code 1; what it must leave is there all the same",
    ),
    "a program that is not there": (
        {"name": "s", "steps": [{"argv": ["no-such-program-of-jobctl"]}]},
        "s: no-such-program-of-jobctl could not be started: No such file or directory",
    ),
    "a folder that is not there": (
        {"name": "s", "steps": [{"argv": ["true"], "cwd": "no/such"}]},
        "s: the folder to run in is not there: ",
    ),
    "a fatal line": (
        python_stage(
            "s", "print('[INFO]\\tSet device: cpu'); import time; time.sleep(3600)", fatal_lines=["Set device: cpu"]
        ),
        "s: it printed a fatal line: [INFO] Set device: cpu",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_stage_says_why_in_one_line(tmp_path: Path, name: str) -> None:
    stage, reason = FAILURES[name]
    status = run_job(tmp_path, make_job("fail-1", [stage, python_stage("after", "pass")]))
    assert status["state"] == "FAILED"
    assert status["reason"].startswith(reason)
    assert "\n" not in status["reason"]
    assert [stage["state"] for stage in status["stages"]] == ["FAILED", "WAITING"]


def test_a_stage_killed_by_a_signal_says_which(tmp_path: Path) -> None:
    status = run_job(tmp_path, make_job("kill-1", [python_stage("s", "import os; os.kill(os.getpid(), 9)")]))
    assert status["reason"].endswith("killed by SIGKILL")


def test_training_is_followed_once_and_leaves_its_best(tmp_path: Path) -> None:
    stage = train_stage({"iters": 4}, must_leave=["output/best_model/model.pdparams"])
    status = run_job(tmp_path, make_job("train-1", [stage]))
    assert status["state"] == "SUCCEEDED", status
    progress = status["progress"]
    assert (progress["iter"], progress["iters"], progress["loss"], progress["eta_s"]) == (4, 4, 2.6, 7)
    assert (progress["miou"], progress["best_miou"], progress["best_iter"]) == (0.0004, 0.0004, 4)
    metrics = read_lines(tmp_path / "runs" / "train-1" / "metrics.jsonl")
    # Once, although the launcher repeats workerlog.0 in the stage's own log.
    assert [line["iter"] for line in metrics if line["kind"] == "train"] == [1, 2, 3, 4]
    assert (tmp_path / "runs" / "train-1" / "logs" / "train.log").read_text().count("[TRAIN]") == 4


BEST = "output/best_model/model.pdparams"


def test_a_training_that_falls_after_it_was_finished_has_succeeded_and_a_warning_tells_how(tmp_path: Path) -> None:
    stage = train_stage({"finish": {"signal": 11}}, must_leave=[BEST], finished_when="^Total Flops: ")
    status = run_job(tmp_path, make_job("finished-1", [stage, python_stage("after", "pass")]))
    assert status["state"] == "SUCCEEDED", status
    assert [stage["exit_code"] for stage in status["stages"]] == [250, 0]
    assert [(warning["kind"], warning["text"]) for warning in status["warnings"]] == [
        ("exit", "train: exit code 250 after it was finished; all that it must leave is there")
    ]
    assert status["verdict"] is None


UNFINISHED: dict[str, Json] = {
    "something is missing that it must leave": train_stage(
        {"finish": {"signal": 11}}, must_leave=[BEST, "output/last"], finished_when="^Total Flops: "
    ),
    "it fell before it said so": train_stage(
        {"iters": 4, "kill_at": [[0, 4, "end"]], "save_interval": 2}, must_leave=[BEST], finished_when="^Total Flops: "
    ),
    "another step than the last had said so": {
        "name": "train",
        "steps": [
            {"argv": ["sh", "-c", "echo Total Flops: 1; mkdir -p output/best_model; echo w > " + BEST]},
            {"argv": ["sh", "-c", "exit 7"]},
        ],
        "must_leave": [BEST],
        "finished_when": "^Total Flops: ",
    },
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_a_training_is_not_taken_for_finished_when(tmp_path: Path, name: str) -> None:
    status = run_job(tmp_path, make_job("unfinished-1", [UNFINISHED[name]]))
    assert (status["state"], status["stages"][0]["state"]) == ("FAILED", "FAILED"), status


RANK_FAILURES: dict[str, tuple[Json, str]] = {
    "the cause stands in the log of another rank than 0": (
        {"fail": {"1": {"text": "ValueError: label 255 is out of range", "exit": 7}}},
        "train: rank 1 failed first: ValueError: label 255 is out of range · exit code 241",
    ),
    "a rank that was killed could not say anything": (
        {"fail": {"2": {"signal": 9}}},
        "train: rank 2 failed first: killed by SIGKILL · exit code 250",
    ),
}


@pytest.mark.parametrize("name", RANK_FAILURES)
def test_the_rank_that_failed_first_is_named(tmp_path: Path, name: str) -> None:
    plan, reason = RANK_FAILURES[name]
    status = run_job(tmp_path, make_job("rank-1", [train_stage(plan)]))
    assert status["state"] == "FAILED"
    assert status["reason"].startswith(reason)


def test_an_exit_code_of_zero_does_not_hide_a_failed_rank(tmp_path: Path) -> None:
    plan = {"fail": {"0": {"text": "OSError: no data"}}, "exit": 0}
    stage = train_stage(plan, must_leave=["output/best_model/model.pdparams"])
    status = run_job(tmp_path, make_job("lie-1", [stage]))
    assert status["state"] == "FAILED"
    assert "did not leave output/best_model/model.pdparams" in status["reason"]
    assert "OSError: no data" in status["reason"]


# What must start within the time has it even on a loaded machine, where one Python takes seconds.
STARTS: dict[str, tuple[Json, float]] = {"dies": ({"die_attempts": 1}, 20.0), "hangs": ({"hang_attempts": 1}, 8.0)}


@pytest.mark.parametrize("name", STARTS)
def test_a_training_that_does_not_start_is_started_again_with_a_fresh_log_folder(tmp_path: Path, name: str) -> None:
    plan, start_timeout_s = STARTS[name]
    stage = train_stage(
        plan,
        started_when=r"\[TRAIN\]",
        start_timeout_s=start_timeout_s,
        start_attempts=3,
        must_leave=["output/best_model/model.pdparams"],
    )
    status = run_job(tmp_path, make_job("again-1", [stage]))
    assert status["state"] == "SUCCEEDED", status
    assert status["stages"][0]["attempts"] == 2
    run_dir = tmp_path / "runs" / "again-1"
    assert "stage_retried" in [line["event"] for line in read_lines(run_dir / "events.jsonl")]
    assert "[TRAIN]" not in (run_dir / "log" / "train-1" / "workerlog.0").read_text()
    assert "[TRAIN]" in (run_dir / "log" / "train-2" / "workerlog.0").read_text()


def test_a_training_that_never_starts_says_how_often_it_was_tried(tmp_path: Path) -> None:
    stage = train_stage({"die_attempts": 9}, started_when=r"\[TRAIN\]", start_timeout_s=20, start_attempts=2)
    status = run_job(tmp_path, make_job("never-1", [stage]))
    assert status["state"] == "FAILED"
    # All ranks die at the same moment, so any of them may be the first.
    reason = re.sub(r"rank \d", "rank N", status["reason"])
    assert reason.startswith("train: tried 2 times: rank N failed first: RuntimeError: Connection refused")


def test_a_stage_that_had_started_is_not_tried_again(tmp_path: Path) -> None:
    plan = {"fail": {"0": {"text": "ValueError: later"}}}
    stage = train_stage(plan, started_when=r"\[TRAIN\]", start_timeout_s=20, start_attempts=3)
    status = run_job(tmp_path, make_job("late-1", [stage]))
    assert status["stages"][0]["attempts"] == 1


def test_ranks_that_outlive_their_launcher_end_with_the_stage(tmp_path: Path) -> None:
    stage = train_stage({"stay": True})
    status = run_job(tmp_path, make_job("stay-1", [stage, python_stage("after", "pass")]))
    assert status["state"] == "SUCCEEDED"
    assert marked_processes(tmp_path / "runs" / "stay-1") == []


PRINT_ENVIRONMENT = "import json, os; json.dump(dict(os.environ), open('output/environ', 'w'))"


def environment_of(root: Path, job: Json, secrets: Json | None = None) -> dict[str, str]:
    status = run_job(root, job, secrets)
    assert status["state"] == "SUCCEEDED", status
    found: dict[str, str] = json.loads((root / "runs" / job["run_id"] / "output" / "environ").read_text())
    return found


def test_a_stage_sees_the_environment_contract(weird_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_MASTER", "10.0.0.1:1234")
    monkeypatch.setenv("PYTHONPATH", "/usr/local/Ascend/acl")
    to_source = weird_path / "set env.sh"
    to_source.write_text('export SOURCED="a b"; export PYTHONPATH="$PYTHONPATH:/from/source"; echo noise; false')
    stage = python_stage("s", PRINT_ENVIRONMENT)
    stage["steps"][0]["env"] = {"OF_STEP": "$(touch pwned)"}
    spec: dict[str, Any] = {"source": [str(to_source)], "pythonpath": ["."]}
    job = make_job("env-1", [stage], environment=spec, env={"OF_JOB": "one\ntwo", "PADDLE_XCCL_BACKEND": "npu"})
    found = environment_of(weird_path, job)
    run_dir = weird_path / "runs" / "env-1"
    assert "PADDLE_MASTER" not in found
    assert found["PADDLE_XCCL_BACKEND"] == "npu"
    assert (found["SOURCED"], found["OF_JOB"], found["OF_STEP"]) == ("a b", "one\ntwo", "$(touch pwned)")
    assert found["PYTHONPATH"] == f"/usr/local/Ascend/acl:/from/source:{run_dir / 'code'}"
    assert found["JOBCTL_RUN_ID"] == "env-1"
    assert found["JOBCTL_RUN_DIR"] == str(run_dir)
    assert (found["JOBCTL_STAGE"], found["JOBCTL_ATTEMPT"]) == ("s", "1")


def test_a_file_to_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    job = make_job("source-1", [python_stage("s", "pass")], environment={"source": ["/no/such/set_env.sh"]})
    status = run_job(tmp_path, job)
    assert status["reason"] == "s: the file to source is not on this host: /no/such/set_env.sh"


def test_secrets_reach_the_stage_and_no_file_of_ours(tmp_path: Path) -> None:
    secret = "s3cr3t-value"
    script = "import os; raise ValueError('refused ' + os.environ['TOKEN'])"
    job = make_job("secret-1", [python_stage("s", script)], secrets=["TOKEN"])
    status = run_job(tmp_path, job, secrets={"TOKEN": secret})
    assert status["reason"] == "s: ValueError: refused *** · exit code 1"
    run_dir = tmp_path / "runs" / "secret-1"
    assert not (run_dir / "secrets.json").exists()
    for name in ("status.json", "events.jsonl", "supervisor.log"):
        assert secret not in (run_dir / name).read_text()


def test_secrets_that_cannot_be_removed_do_not_keep_a_run_from_its_end(tmp_path: Path) -> None:
    script = "import os; os.unlink('../secrets.json'); os.mkdir('../secrets.json')"  # a folder cannot be unlinked
    job = make_job("secret-2", [python_stage("s", script)], secrets=["TOKEN"])
    assert run_job(tmp_path, job, secrets={"TOKEN": "s3cr3t-value"})["state"] == "SUCCEEDED"
    events = [line["event"] for line in read_lines(tmp_path / "runs" / "secret-2" / "events.jsonl")]
    assert events[-2:] == ["secrets_left", "run_ended"]


@pytest.mark.slow
def test_the_status_of_a_run_that_says_nothing_is_renewed(tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    script = f"import os, time\nwhile not os.path.exists({str(stop)!r}): time.sleep(0.05)"
    run_dir = stage_run(tmp_path, make_job("beat-1", [python_stage("s", script)]))
    control.start(tmp_path, "beat-1")
    ask = partial(control.status, run_dir)
    seen = wait_for(ask, lambda status: status["stages"][0]["state"] == "RUNNING")
    for _ in range(2):
        seen = wait_for(ask, partial(_is_newer, seen["updated_at"]))
    assert seen["stages"][0]["state"] == "RUNNING"
    stop.touch()
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"


def _is_newer(last: float, status: Json) -> bool:
    return bool(status["updated_at"] > last)


def test_data_is_found_under_its_link_in_the_code_tree(weird_path: Path) -> None:
    data = weird_path / "the data"
    data.mkdir()
    (data / "image").write_text("pixels")
    stage = python_stage("s", "print(open('data/cityscapes/image').read())")
    job = make_job("data-1", [stage], data=[{"name": "cityscapes", "link": "data/cityscapes", "target": str(data)}])
    assert run_job(weird_path, job)["state"] == "SUCCEEDED"
    assert (weird_path / "runs" / "data-1" / "logs" / "s.log").read_text().endswith("pixels\n")


def test_a_data_link_cannot_lead_out_of_the_code_tree(tmp_path: Path) -> None:
    job = make_job("link-1", [python_stage("s", "pass")], data=[{"name": "x", "link": "../../x", "target": "/"}])
    assert run_job(tmp_path, job)["reason"] == "s: the link '../../x' leads out of the code tree"


def test_paddles_log_folder_is_closed_to_others(tmp_path: Path) -> None:
    run_job(tmp_path, make_job("closed-1", [train_stage()]))
    folder = tmp_path / "runs" / "closed-1" / "log" / "train-1"
    # envlog.N holds the whole environment, secrets included.
    assert (folder / "envlog.0").exists()
    assert folder.stat().st_mode & 0o077 == 0


def test_a_training_without_the_launcher_is_followed_in_the_stages_own_log(tmp_path: Path) -> None:
    line = "[INFO]\\t[EVAL] #Images: 4 mIoU: 0.5000 Acc: 0.6000 Kappa: 0.1 Dice: 0.2"
    status = run_job(tmp_path, make_job("alone-1", [python_stage("val", f"print('{line}')")]))
    assert (status["progress"]["miou"], status["progress"]["acc"]) == (0.5, 0.6)


def test_a_disk_that_cannot_be_written_does_not_end_the_supervisor(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gone", make_job("disk-1", []), {})
    assert journal.change(state="RUNNING") is False
    journal.event("anything")
    journal.record({"kind": "train", "iter": 1})
    (tmp_path / "gone").mkdir()
    assert journal.change(reason="back again") is True
