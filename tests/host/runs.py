"""Runs for tests: a job.json in the staging folder, the real supervisor in a process of its own, and its end."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobctl.host import control, states

Json = dict[str, Any]

STUB_LAUNCH = str(Path(__file__).with_name("stub_launch.py"))


def make_job(run_id: str, stages: list[Json], **fields: Any) -> Json:
    """A job.json as `plan` writes it; stages may leave out what has a default."""
    job: Json = {
        "version": 1,
        "run_id": run_id,
        "name": "test",
        "device": "cpu",
        "cards": 4,
        "cards_wanted": None,
        "submitted_at": 1.0,
        "submitted_by": "alice@laptop",
        "code": None,
        "environment": {},
        "env": {},
        "secrets": [],
        "data": [],
        "stages": stages,
        "artifacts": [],
    }
    job.update(fields)
    return job


def python_stage(name: str, script: str, **fields: Any) -> Json:
    """A stage with one step: a line of Python."""
    return {"name": name, "steps": [{"argv": [sys.executable, "-c", script]}], **fields}


def train_stage(plan: Json | None = None, **fields: Any) -> Json:
    """A stage that runs the stub launcher; `plan` is its STUB_LAUNCH."""
    step = {
        "argv": [sys.executable, "-u", STUB_LAUNCH],
        "distributed": True,
        "env": {"STUB_LAUNCH": json.dumps(plan or {})},
    }
    return {"name": "train", "steps": [step], **fields}


def stage_run(root: Path, job: Json, secrets: Json | None = None) -> Path:
    """Put a run together as a laptop does; where it will be once it has begun."""
    job.setdefault("lease_dir", str(root / "leases"))  # not the host's own: tests run beside each other
    staged = root / "staging" / job["run_id"]
    (staged / "code").mkdir(parents=True)
    (staged / "job.json").write_text(json.dumps(job))
    if secrets:
        (staged / "secrets.json").write_text(json.dumps(secrets))
        (staged / "secrets.json").chmod(0o600)
    return root / "runs" / str(job["run_id"])


def run_job(root: Path, job: Json, secrets: Json | None = None) -> Json:
    """Start a run and wait for its end; its last status."""
    run_dir = stage_run(root, job, secrets)
    control.start(root, job["run_id"])
    return wait_for_end(run_dir)


def wait_for_end(run_dir: Path) -> Json:
    return wait_for(
        lambda: control.status(run_dir),
        lambda status: status["state"] in states.FINAL or status["state"] == states.LOST,
    )


def wait_for(ask: Callable[[], Json], enough: Callable[[Json], bool], patience_s: float = 60.0) -> Json:
    """Ask again and again. Fails when it takes so long that something must be wrong."""
    deadline = time.monotonic() + patience_s
    while True:
        answer = ask()
        if enough(answer):
            return answer
        assert time.monotonic() < deadline, f"it did not come, the last answer was {answer}"
        time.sleep(0.01)


def marked_processes(run_dir: Path) -> list[int]:
    """Every living process on this machine that carries the run's mark, by a walk over /proc of the test's own."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environ = (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if f"JOBCTL_RUN_DIR={run_dir}".encode() in environ and state not in "ZX":
            found.append(int(entry.name))
    return found


def read_lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"


def keeper_of(run_dir: Path) -> int:
    """The process beside the supervisor that waits for its end."""
    supervisor = control.status(run_dir)["supervisor"]["pid"]
    return int((Path("/proc") / str(supervisor) / "stat").read_text().rpartition(")")[2].split()[1])


def kill_with_keeper(run_dir: Path) -> None:
    """SIGKILL for the supervisor and, first, for its keeper: nobody is left to clear up."""
    supervisor = control.status(run_dir)["supervisor"]["pid"]
    os.kill(keeper_of(run_dir), signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)


def pretend_another_boot(run_dir: Path) -> None:
    """Only the boot's id is another: no test can restart the machine."""
    path = run_dir / "status.json"
    text = path.read_text()
    boot_id = control.status(run_dir)["supervisor"]["boot_id"]
    assert boot_id in text
    path.write_text(text.replace(boot_id, "0ther-b00t"))
