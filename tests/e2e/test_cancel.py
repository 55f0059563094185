"""Cancel ends everything that the run started, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.e2e.lab import Lab, python

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
rank = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('rank is up', flush=True); time.sleep(600)"
)
for number in range(4):
    subprocess.Popen([sys.executable, "-c", rank, "stubborn-rank"], start_new_session=True)
time.sleep(600)
"""
"""As Paddle's launcher: each rank in a session of its own. Launcher and ranks ignore SIGTERM."""


def processes_of(run_id: str) -> list[int]:
    """Every process whose environment carries the run's id."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"JOBCTL_RUN_ID={run_id}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def test_cancel_leaves_no_process_of_the_run_and_a_stranger_lives_on(lab: Lab) -> None:
    lab.write_config(python(STUBBORN))
    run_id = lab.submit()
    log = lab.work_dir / "runs" / run_id / "logs" / "train.log"
    while not log.exists() or log.read_bytes().count(b"rank is up") < 4:
        assert lab.run("status", run_id, "--json").json()["data"]["state"] in ("STAGING", "QUEUED", "RUNNING")
    assert len(processes_of(run_id)) >= 5
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "stubborn-rank"])
    try:
        assert "CANCELLED" in lab.run("cancel", run_id, "--grace", "0.5").out
        assert processes_of(run_id) == []
        assert stranger.poll() is None
        os.kill(stranger.pid, 0)
    finally:
        stranger.kill()
        stranger.wait()
    status = lab.run("status", run_id, "--json").json()["data"]
    assert status["state"] == "CANCELLED"
    lab.run("cancel", run_id)
    assert lab.run("status", run_id, "--json").json()["data"] == status, "a final state never changes"
