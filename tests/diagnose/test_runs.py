"""What jobctl itself knows of a run counts beside its logs."""

from __future__ import annotations

from typing import Any

from jobctl.diagnose.run_logs import RunLog, make_logs
from jobctl.diagnose.verdict import Diagnosis, diagnose


def of_run(text: str, verdict: dict[str, Any] | None = None, **facts: Any) -> Diagnosis:
    logs = [RunLog("log/train-1/workerlog.0", 0, text), RunLog("logs/train.log", None, "Pod failed\n")]
    return diagnose(make_logs(logs, {"verdict": verdict}, facts))


def first(found: Diagnosis) -> tuple[str, str]:
    return found.causes[0].category, found.causes[0].sure


def test_a_job_for_the_cpu_is_not_told_that_it_ran_there() -> None:
    text = "2026-11-23 00:13:07 [INFO]\tSet device: cpu\nLookupError: the moon\n"
    assert first(of_run(text, device="npu")) == ("silently_on_cpu", "likely")
    assert "silently_on_cpu" not in {cause.category for cause in of_run(text, device="cpu").causes}


def test_what_the_kernel_said_of_a_killed_rank_is_established() -> None:
    verdict = {"kind": "oom", "line": "killed by SIGKILL", "ended": "killed by SIGKILL", "evidence": ["oom_kill 1"]}
    assert first(of_run("", verdict)) == ("host_oom_kill", "established")
    assert first(of_run("", {"kind": "killed", "ended": "killed by SIGKILL"})) == ("host_oom_kill", "possible")


def test_a_small_shared_memory_explains_workers_that_died() -> None:
    text = "RuntimeError: DataLoader 1 workers exit unexpectedly, pids: 1234\n"
    assert first(of_run(text)) == ("shm_too_small", "possible")
    assert first(of_run(text, shm_size_bytes=64 << 20)) == ("shm_too_small", "likely")


def test_a_run_that_was_ended_for_its_loss_or_its_device_says_so() -> None:
    assert first(of_run("", {"kind": "cpu"})) == ("silently_on_cpu", "established")
    assert first(of_run("", {"kind": "nan"})) == ("nan_loss", "likely")
    assert first(of_run("", {"kind": "disk"})) == ("disk_full_or_io", "established")


def test_the_ranks_of_lines_are_named() -> None:
    found = of_run("OSError: [Errno 24] Too many open files\n")
    assert found.causes[0].log == "log/train-1/workerlog.0 (rank 0)"
    assert found.read == ("log/train-1/workerlog.0 (rank 0)", "logs/train.log")
