"""What ends a stage, or warns, while its processes live; and what the kernel and the ranks tell meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jobctl.host import disk, npu_smi, oom, processes, results, stacks, watchdogs
from jobctl.host.journal import Journal
from jobctl.host.ranks import Ranks
from jobctl.host.signals import Signals
from jobctl.host.step import Run
from jobctl.host.watch import Watch
from tests.host.runs import Json, make_job, marked_processes, python_stage, read_lines, run_job

STAY = "; import time; time.sleep(3600)"
TRAIN = "2026-11-23 00:13:07 [INFO]\\t[TRAIN] epoch: 1, iter: {}/9, loss: {}, lr: 0.01, ips: 2.5 samples/sec"


def losses(*values: str) -> str:
    """A script that prints a training line for each loss."""
    lines = [TRAIN.format(number, value) for number, value in enumerate(values, 1)]
    return "; ".join(f"print('{line}', flush=True)" for line in lines)


# A checkpoint larger than what is free (a hole, no disk is filled), that nobody has written to for a while.
HUGE_CHECKPOINT = """
import os, time
os.makedirs('output/iter_10')
free = os.statvfs('.').f_bavail * os.statvfs('.').f_frsize
with open('output/iter_10/model.pdparams', 'wb') as file:
    file.truncate(free + 10**9)
os.utime('output/iter_10/model.pdparams', (time.time() - 100, time.time() - 100))
time.sleep(3600)
"""
BITES: dict[str, tuple[str, Json, Json, str]] = {
    "hang": ("print('[TRAIN]', flush=True)" + STAY, {"hang_timeout_s": 1.0}, {}, "no new line in any log for 1 s"),
    "nan": (
        losses("2.5", "nan", "inf", "nan") + STAY,
        {"nan_limit": 3},
        {},
        "the loss was not finite in 3 training lines in a row",
    ),
    "disk": (
        HUGE_CHECKPOINT,
        {"checkpoints": {"path": "output/iter_*", "files": ["model.pdparams"]}},
        {},
        "the next checkpoint would not fit on the disk: a checkpoint needs ",
    ),
    "walltime": ("pass" + STAY, {}, {"walltime_s": 1.0}, "the walltime of 1 s is over"),
}


@pytest.mark.parametrize("kind", BITES)
def test_a_watchdog_ends_the_stage_and_says_why(tmp_path: Path, kind: str) -> None:
    script, fields, job_fields, line = BITES[kind]
    status = run_job(tmp_path, make_job("bite-1", [python_stage("s", script, **fields)], **job_fields))
    assert status["state"] == "FAILED"
    assert status["verdict"]["kind"] == kind
    assert status["verdict"]["line"].startswith(line)
    assert status["reason"].startswith("s: " + line)
    assert marked_processes(tmp_path / "runs" / "bite-1") == []


def test_a_hang_leaves_the_stacks_of_the_processes_behind(tmp_path: Path) -> None:
    stage = python_stage("s", "import os; print(os.getpid(), flush=True)" + STAY, hang_timeout_s=1.0)
    status = run_job(tmp_path, make_job("hang-1", [stage]))
    assert "logs/s.hang-1.txt" in status["verdict"]["line"]
    stacks = tmp_path / "runs" / "hang-1" / "logs" / "s.hang-1.txt"
    assert "State:" in stacks.read_text()
    assert "waits in" in stacks.read_text()
    assert stacks.stat().st_mode & 0o077 == 0
    assert ("logs/s.hang-1.txt", "logs") in results.find(tmp_path / "runs" / "hang-1"), "pull brings it"


def test_the_stacks_are_those_of_py_spy_where_the_environment_has_it_and_hold_no_secret(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    py_spy = tmp_path / "bin" / "py-spy"
    py_spy.write_text('#!/bin/sh\necho "$@: train (train.py:212) with hunter2"\n')
    py_spy.chmod(0o755)
    me = processes.look_up(os.getpid())
    assert me is not None
    assert stacks.collect([me], str(tmp_path), tmp_path / "out.txt", lambda text: text.replace("hunter2", "***"))
    text = (tmp_path / "out.txt").read_text()
    assert f"dump --pid {os.getpid()}: train (train.py:212) with ***" in text


def test_a_loss_that_recovers_is_left_alone(tmp_path: Path) -> None:
    stage = python_stage("s", losses("nan", "nan", "1.5", "nan", "nan"), nan_limit=3)
    status = run_job(tmp_path, make_job("nan-1", [stage]))
    assert (status["state"], status["verdict"]) == ("SUCCEEDED", None)


def test_a_warning_comes_once_before_the_walltime_is_over(tmp_path: Path) -> None:
    job = make_job("wall-1", [python_stage("s", "pass")], walltime_s=100000.0)
    journal = Journal(tmp_path, job, {})
    journal.change(started_at=time.time() - 95000)
    run = Run(tmp_path, tmp_path, job, journal, Signals(), {}, [], [])
    watch = Watch(job["stages"][0], tmp_path / "s.log", tmp_path / "log", journal.record)
    dogs = watchdogs.Watchdogs(run, job["stages"][0], 1, watch, tmp_path / "log")
    assert [dogs.look(), dogs.look()] == [None, None]
    assert [warning["kind"] for warning in journal.status["warnings"]] == ["walltime"]
    assert [line["event"] for line in read_lines(tmp_path / "events.jsonl")] == ["warning"]


GB = 1000**3
FORECASTS: dict[str, tuple[disk.Saved, int, bool | None]] = {
    "there is room": (disk.Saved(1, GB, True), 100 * GB, None),
    "room for one more, and five are kept": (disk.Saved(1, GB, True), 2 * GB, False),
    "room for one more, and each replaces an old one": (disk.Saved(5, GB, True), 2 * GB, None),
    "no room": (disk.Saved(5, GB, True), GB, True),
    "no room, while one is being written": (disk.Saved(5, GB, False), GB, None),
    "no room, before there is a checkpoint": (disk.Saved(0, 0, True), 1, None),
}


@pytest.mark.parametrize("name", FORECASTS)
def test_the_forecast_for_the_disk(name: str) -> None:
    saved, free_bytes, bad = FORECASTS[name]
    found = disk.forecast(saved, free_bytes, kept=5)
    assert (found.bad if found else None) == bad


def test_only_a_complete_checkpoint_counts_for_the_forecast(tmp_path: Path) -> None:
    for name, files in (("iter_1", ("a", "b")), ("iter_2", ("a",)), ("other", ("a", "b"))):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_bytes(b"12345")
    checkpoints = {"path": "iter_*", "files": ["a", "b"]}
    assert disk.find_saved(tmp_path, checkpoints, time.time()) == disk.Saved(1, 10, settled=False)
    assert disk.find_saved(tmp_path, checkpoints, time.time() + 3600) == disk.Saved(1, 10, settled=True)


SPACES: dict[str, tuple[int, int, str | None]] = {
    "plenty": (100 * GB, 0, None),
    "little": (4 * GB, 0, "only 4.0 GB is free on the host's disk"),
    "little for such checkpoints": (
        29 * GB,
        10 * GB,
        "an earlier run of this job has checkpoints of 10.0 GB each, and 29.0 GB is free on the host's disk",
    ),
}


@pytest.mark.parametrize("name", SPACES)
def test_a_disk_with_little_room_is_told_of_before_a_run(name: str) -> None:
    free_bytes, earlier_bytes, words = SPACES[name]
    assert disk.space_words(free_bytes, earlier_bytes) == words


def test_checkpoints_of_an_earlier_run_are_measured_when_a_run_of_the_same_job_begins(tmp_path: Path) -> None:
    checkpoints = {"path": "output/iter_*", "files": ["model.pdparams"]}
    script = HUGE_CHECKPOINT.replace("time.sleep(3600)", "")
    first = make_job("test-1", [python_stage("s", script, checkpoints=checkpoints)])
    second = make_job("test-2", [python_stage("s", "pass", checkpoints=checkpoints)])
    run_job(tmp_path, first)
    told = [warning for warning in run_job(tmp_path, second)["warnings"] if warning["kind"] == "space"]
    assert "an earlier run of this job has checkpoints of " in told[0]["text"]


def snapshot(*cards: int, table: bool = True) -> Any:
    rows = [npu_smi.CardProcess(card, 0, 100 + card, "python", None) for card in cards]
    return npu_smi.Snapshot(None, None, [], rows if table else None, None, [])


@pytest.mark.parametrize(
    ("seen", "warns"),
    [(snapshot(4, 5), False), (snapshot(1), True), (snapshot(), True), (snapshot(table=False), False), (None, False)],
)
def test_cards_that_nobody_computes_on_are_warned_of_only_where_npu_smi_tells(seen: Any, warns: bool) -> None:
    assert (watchdogs.cpu_warning(seen, [4, 5]) is not None) == warns


def test_the_kernels_counters_and_words_of_a_kill_for_memory_are_understood() -> None:
    assert oom.counted("low 0\noom 3\noom_kill 2\noom_group_kill 0\n") == 2
    assert oom.counted("nr_free_pages 5\n") is None
    assert oom.kills() >= 0
    old = "6,1,1000000,-;Out of memory: Killed process 7 (old) total-vm:1kB\n"
    new = "6,2,9000000,-;Memory cgroup out of memory: Killed process 8 (python) total-vm:1kB\n SUBSYSTEM=x\n"
    assert oom.latest([old, new, "6,3,9500000,-;eth0: link up\n"], 5.0) == (
        "Memory cgroup out of memory: Killed process 8 (python) total-vm:1kB"
    )
    assert oom.latest([old], 5.0) is None


def test_the_rank_that_goes_first_is_seen_with_what_it_ended_with(tmp_path: Path) -> None:
    started = []
    try:
        for rank in range(3):
            with (tmp_path / f"workerlog.{rank}").open("ab") as log:
                argv = [sys.executable, "-c", "import time; time.sleep(3600)"]
                started.append(subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True))
        ranks = Ranks(tmp_path)
        ranks.poll()
        assert ranks.first_gone == {}
        started[2].send_signal(signal.SIGKILL)
        wait_for_zombie(started[2].pid)
        ranks.poll()
        started[0].terminate()
        wait_for_zombie(started[0].pid)
        ranks.poll()
        assert ranks.first_gone == {2: -9}
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_of_ranks_that_went_at_once_the_killed_one_was_first(tmp_path: Path) -> None:
    started = []
    try:
        for rank in range(2):
            with (tmp_path / f"workerlog.{rank}").open("ab") as log:
                argv = [sys.executable, "-c", "import time; time.sleep(3600)"]
                started.append(subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True))
        ranks = Ranks(tmp_path)
        ranks.poll()
        for process, signum in zip(started, (signal.SIGABRT, signal.SIGKILL), strict=True):
            process.send_signal(signum)
            wait_for_zombie(process.pid)
        ranks.poll()
        assert ranks.first_gone == {1: -9}
    finally:
        for process in started:
            process.kill()
            process.wait()


def wait_for_zombie(pid: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        found = processes.look_up(pid)
        if found is not None and found.state == "Z":
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)
