"""One attempt at a stage: its steps, one after another, until they end, fail, hang, or are stopped."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from . import processes, surroundings
from .files import Json, read_json
from .journal import Journal
from .program import argv_of
from .signals import Signals
from .watch import Watch

TICK_S = 0.5
GRACE_S = 10.0
CANCEL_FILE = "cancel.json"


class Run(NamedTuple):
    """What every part of the supervisor needs to know."""

    root: Path
    run_dir: Path
    job: Json
    journal: Journal
    signals: Signals
    secrets: Dict[str, str]
    cards: List[int]  # as npu-smi numbers them
    devices: List[int]  # the same, as the runtime numbers them


class Outcome(NamedTuple):
    """How an attempt ended. All steps done: exit_code 0 and nothing else set."""

    exit_code: Optional[int]
    started: bool
    problem: Optional[str] = None  # why a step could not be started, or was ended by us
    fatal: bool = False  # the problem will be there again

    @property
    def done(self) -> bool:
        return self.exit_code == 0 and self.problem is None

    @property
    def may_retry(self) -> bool:
        """It died or hung before it had started: four gloo ranks on a CPU do so every other time (Paddle 3.3.1)."""
        return not (self.started or self.fatal or self.done)


class StepProblem(Exception):
    """A step cannot be started; the message says why."""


def run_attempt(run: Run, stage: Json, attempt: int) -> Outcome:
    """Run the steps of `stage`. When it returns (or raises Stopped), nothing that it started lives on."""
    stage_log = run.run_dir / "logs" / (stage["name"] + ".log")
    log_dir = run.run_dir / "log" / "{}-{}".format(stage["name"], attempt)
    stage_log.parent.mkdir(exist_ok=True)
    # Paddle writes the whole environment, secrets included, into its log directory: nobody else may look in.
    log_dir.parent.mkdir(exist_ok=True, mode=0o700)
    with open(str(stage_log), "ab") as log:
        watch = Watch(stage, stage_log, log.tell(), log_dir, run.journal.record)
        outcome = Outcome(0, watch.started)
        try:
            for step in stage["steps"]:
                outcome = _run_step(run, stage, step, attempt, log, log_dir, watch)
                if not outcome.done:
                    break
        except StepProblem as error:
            outcome = Outcome(None, watch.started, str(error), fatal=True)
            log.write(("jobctl: " + str(error) + "\n").encode("utf-8", "surrogateescape"))
        finally:
            end_processes(run)
    return outcome


def end_processes(run: Run) -> None:
    """End whatever of the run still lives, the supervisor apart. Who cancels may have said how much grace there is."""
    grace_s = float((read_json(run.run_dir / CANCEL_FILE) or {}).get("grace_s", GRACE_S))

    def pause(seconds: float) -> None:
        run.signals.pause_through(seconds)
        run.journal.beat()

    left = processes.end_all(lambda: processes.processes_of(run.job["run_id"], os.getpid()), grace_s, pause)
    if left:
        run.journal.event("processes_left", pids=[process.pid for process in left])


def _run_step(run: Run, stage: Json, step: Json, attempt: int, log: Any, log_dir: Path, watch: Watch) -> Outcome:
    builtin = step["argv"][0] == "@host"
    distributed = bool(step.get("distributed"))
    argv = argv_of(step["argv"][1], str(run.run_dir)) if builtin else list(step["argv"])
    cwd = run.run_dir if builtin else run.run_dir / "code" / (step.get("cwd") or ".")
    environ = _environ_of(run, stage, step, attempt)
    if distributed:
        log_dir.mkdir(exist_ok=True, mode=0o700)
        environ["PADDLE_LOG_DIR"] = str(log_dir)
    watch.begin_step(distributed)
    shown = "@host " + step["argv"][1] if builtin else " ".join(shlex.quote(word) for word in argv)
    log.write(("+ " + run.journal.hide(shown) + "\n").encode("utf-8", "surrogateescape"))
    log.flush()
    child = _spawn(run, argv, cwd, environ, log)
    deadline = time.monotonic() + float(stage["start_timeout_s"]) if stage.get("start_timeout_s") else None
    return _wait_for(run, child, watch, deadline, stage.get("start_timeout_s"))


def _wait_for(run: Run, pid: int, watch: Watch, deadline: Optional[float], timeout_s: Optional[float]) -> Outcome:
    while True:
        run.signals.pause(TICK_S)
        code = run.signals.exit_code(pid)
        watch.poll(last=code is not None)
        run.journal.beat()
        if watch.fatal_line is not None:
            return Outcome(code, watch.started, "it printed a fatal line: " + watch.fatal_line.strip(), fatal=True)
        if code is not None:
            return Outcome(code, watch.started)
        if not watch.started and deadline is not None and time.monotonic() > deadline:
            return Outcome(None, False, "it did not start within {:g} s".format(timeout_s or 0))


def _environ_of(run: Run, stage: Json, step: Json, attempt: int) -> Dict[str, str]:
    spec = run.job.get("environment") or {}
    environ = _sourced(run, surroundings.scrub(dict(os.environ)), spec.get("source") or [])
    venv = (read_json(run.run_dir / "environment.json") or {}).get("path")
    environ = surroundings.with_venv(environ, Path(venv) if venv else None)
    environ = surroundings.with_pythonpath(environ, run.run_dir / "code", spec.get("pythonpath") or [])
    environ = surroundings.with_cards(environ, run.job.get("device", "cpu"), run.devices)
    environ.setdefault("PYTHONUNBUFFERED", "1")
    environ.update(run.job.get("env") or {})
    environ.update(step.get("env") or {})
    environ.update(run.secrets)
    environ.update(_marks(run, stage, attempt))
    return environ


def _marks(run: Run, stage: Json, attempt: int) -> Dict[str, str]:
    return {
        processes.MARKER: run.job["run_id"],
        "JOBCTL_RUN_DIR": str(run.run_dir),
        "JOBCTL_STAGE": stage["name"],
        "JOBCTL_ATTEMPT": str(attempt),
    }


def _sourced(run: Run, environ: Dict[str, str], files: List[str]) -> Dict[str, str]:
    if not files:
        return environ
    paths = [os.path.join(str(run.run_dir / "code"), os.path.expanduser(name)) for name in files]
    for path in paths:
        if not os.path.isfile(path):
            raise StepProblem("the file to source is not on this host: " + path)
    into = run.run_dir / ".sourced"
    try:
        with open(str(into), "wb") as sink, open(str(run.run_dir / "supervisor.log"), "ab") as noise:
            marked = dict(environ, **{processes.MARKER: run.job["run_id"]})
            pid = _spawn(run, surroundings.source_argv(paths), run.run_dir, marked, sink, noise)
            while run.signals.exit_code(pid) is None:
                run.signals.pause(TICK_S)
                run.journal.beat()
        found = surroundings.parse_environ(into.read_bytes())
    finally:
        if into.exists():
            into.unlink()
    if not found:
        raise StepProblem("sourcing ended the shell, see supervisor.log: " + " ".join(paths))
    return found


def _spawn(
    run: Run, argv: List[str], cwd: Path, environ: Dict[str, str], out: Any, err: Any = subprocess.STDOUT
) -> int:
    """Start a child; its pid. Raises StepProblem. Its exit code is reaped by `Signals`, so the Popen is let go."""
    try:
        child = subprocess.Popen(
            argv, cwd=str(cwd), env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
    except OSError as error:
        if not cwd.is_dir():
            raise StepProblem("the folder to run in is not there: {}".format(cwd))
        raise StepProblem("{} could not be started: {}".format(argv[0], error.strerror))
    except ValueError as error:  # a NUL byte in an argument
        raise StepProblem("{} could not be started: {}".format(argv[0], error))
    run.signals.expect(child.pid)
    child.returncode = 0
    return child.pid
