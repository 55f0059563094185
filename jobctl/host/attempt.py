"""One attempt at a stage: its steps, one after another, until they end, fail, hang, or are stopped."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO, Dict, NamedTuple, Optional

from . import plog, processes
from .ending import end_everything
from .files import Json, read_json
from .links import make_links
from .names import CANCEL_FILE
from .oom import OomWatch
from .step import TICK_S, Run, StepProblem, announce, is_contained, make_environ, start_step
from .upkeep import Upkeep
from .watch import Watch
from .watchdogs import Watchdogs

GRACE_S = 10.0


class Outcome(NamedTuple):
    """How an attempt ended. All steps done: exit_code 0 and no problem."""

    exit_code: Optional[int]
    started: bool
    problem: Optional[str] = None  # why a step could not be started, or was ended by us
    fatal: bool = False  # the problem will be there again
    log_from: int = 0  # where in the stage's log the output of the last step begins
    kind: Optional[str] = None  # of the verdict, when a watchdog ended it
    gone: Optional[Dict[int, Optional[int]]] = None  # ranks that went before all others, and what they ended with
    oom: Optional[str] = None  # what the kernel says of killing something for want of memory meanwhile
    finished: bool = False  # its last step had said that its work is done (`finished_when`)

    @property
    def done(self) -> bool:
        return self.exit_code == 0 and self.problem is None

    @property
    def ended_badly(self) -> bool:
        """Its work was done; then it did not leave as it should. Ranks crash while Python ends (Paddle 3.3.1, gloo)."""
        return self.finished and self.exit_code not in (0, None) and self.problem is None

    @property
    def may_retry(self) -> bool:
        """It died or hung before it had started: four gloo ranks on a CPU do so every other time (Paddle 3.3.1)."""
        return not (self.started or self.fatal or self.done)


def run_attempt(run: Run, stage: Json, attempt: int) -> Outcome:
    """Run the steps of `stage`. When it returns (or raises Stopped), nothing that it started lives on."""
    stage_log = stage_log_path(run.run_dir, stage["name"])
    log_dir = worker_log_dir(run.run_dir, stage["name"], attempt)
    stage_log.parent.mkdir(exist_ok=True)
    with open(str(stage_log), "ab") as log:
        watch = Watch(stage, stage_log, log_dir, run.journal.record)
        dogs = Watchdogs(run, stage, attempt, watch, log_dir)
        oom = OomWatch(whole_host=run.container is not None)
        upkeep = Upkeep(run, stage, stage_log, log_dir)
        outcome, step = Outcome(0, watch.started), None
        try:
            for step in stage["steps"]:
                outcome = _run_step(run, stage, step, attempt, log, dogs, upkeep)
                if not outcome.done:
                    break
        except StepProblem as error:
            outcome = Outcome(None, watch.started, str(error), fatal=True, log_from=_size(log))
            log.write("jobctl: error: {}\n".format(error).encode("utf-8", "surrogateescape"))
        finally:
            end_processes(run)
            watch.poll(last=True)  # what they said last, also when we were told to stop
            upkeep.finish()
            plog.settle(run.run_dir, stage["name"], attempt, failed=True)
    if outcome.done:
        plog.settle(run.run_dir, stage["name"], attempt, failed=False)
    finished = watch.finished and step is stage["steps"][-1]
    return outcome._replace(gone=dogs.ranks.first_gone, oom=oom.record(), finished=finished)


def stage_log_path(run_dir: Path, stage: str) -> Path:
    """stdout and stderr of all attempts of a stage."""
    return run_dir / "logs" / "{}.log".format(stage)


def worker_log_dir(run_dir: Path, stage: str, attempt: int) -> Path:
    """Paddle's log directory for one attempt: the launcher appends to what it finds, so each attempt gets a new one."""
    return run_dir / "log" / "{}-{}".format(stage, attempt)


def end_processes(run: Run) -> None:
    """End whatever of the run still lives, the supervisor apart. Who cancels may have said how much grace there is."""
    grace_s = float((read_json(run.run_dir / CANCEL_FILE) or {}).get("grace_s", GRACE_S))

    def pause(seconds: float) -> None:
        run.signals.pause_through(seconds)
        run.journal.beat()

    left = end_everything(
        run.run_dir, run.job, lambda: processes.processes_of(run.run_dir, os.getpid()), grace_s, pause
    )
    if left:
        run.journal.event("processes_left", pids=left.pids, containers=left.containers)


def _run_step(
    run: Run, stage: Json, step: Json, attempt: int, log: IO[bytes], dogs: Watchdogs, upkeep: Upkeep
) -> Outcome:
    problem = make_links(run.run_dir, run.job)  # for each step: one before may have cloned the code
    if problem is not None:
        raise StepProblem(problem)
    if run.container is not None and is_contained(run, step):
        run.container.prepare(run, log)
    environ = make_environ(run, stage, step, attempt)
    distributed = bool(step.get("distributed"))
    if distributed:
        log_dir = worker_log_dir(run.run_dir, stage["name"], attempt)
        # Paddle writes the whole environment, secrets included, into its log directory: nobody else may look in.
        for folder in (log_dir.parent, log_dir):
            folder.mkdir(exist_ok=True, mode=0o700)
        environ["PADDLE_LOG_DIR"] = str(log_dir)
    announce(run, step, log)
    begins_at = _size(log)
    dogs.watch.begin_step(distributed, begins_at)
    pid = start_step(run, step, environ, log)
    return _wait_for(run, pid, dogs, upkeep, stage.get("start_timeout_s"))._replace(log_from=begins_at)


def _size(log: IO[bytes]) -> int:
    return os.fstat(log.fileno()).st_size


def _wait_for(run: Run, pid: int, dogs: Watchdogs, upkeep: Upkeep, start_timeout_s: Optional[float]) -> Outcome:
    watch, begun = dogs.watch, time.monotonic()
    while True:
        run.signals.pause(TICK_S)
        code = run.signals.exit_code(pid)
        watch.poll(last=code is not None)
        bite = dogs.look()
        upkeep.tick()
        run.journal.beat()
        if watch.fatal_line is not None:
            return Outcome(code, watch.started, "it printed a fatal line: " + watch.fatal_line.strip(), fatal=True)
        if code is not None:
            return Outcome(code, watch.started)
        if bite is not None:
            return Outcome(None, watch.started, bite.problem, fatal=bite.kind != "hang", kind=bite.kind)
        if start_timeout_s and not watch.started and time.monotonic() - begun > start_timeout_s:
            return Outcome(None, False, "it did not start within {:g} s".format(start_timeout_s), kind="start")
