"""One stage of a run: its attempts, what it must leave, and what is said of it when it fails."""

from __future__ import annotations

import glob
import os
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from . import disk, failure, retry, states, verdict
from .attempt import Outcome, run_attempt, stage_log_path, worker_log_dir
from .files import Json
from .going_on import Complete, put_best_back, with_checkpoint
from .step import Run
from .watch import worker_logs
from .watchdogs import warn

_TAIL_BYTES = 256 * 1024
_FULL_BYTES = 1024 * 1024


def run_stage(run: Run, index: int) -> Optional[str]:
    """Run stage `index` of the job; None when it succeeded, else why not in one line. Raises Stopped.

    It has succeeded when its steps ended with 0, or had said before that they were finished, and what it must leave is
    there: exit codes alone are not believed (`infer.py` exits 0 when its predictor could not be made; PaddleSeg 2.9.0).
    """
    stage = run.job["stages"][index]
    journal = run.journal
    journal.change(stage=stage["name"])
    journal.change_stage(index, state=states.RUNNING, started_at=_now(), ended_at=None, reason=None)
    journal.event("stage_started", stage=stage["name"])
    outcome, reason = _try_again_and_again(run, index)
    state = states.FAILED if reason is not None else states.SUCCEEDED
    journal.change_stage(index, state=state, ended_at=_now(), exit_code=outcome.exit_code, reason=reason)
    journal.event("stage_ended", stage=stage["name"], state=state, exit_code=outcome.exit_code, reason=reason)
    return journal.hide(reason)


def _try_again_and_again(run: Run, index: int) -> Tuple[Outcome, Optional[str]]:
    """The tries that `retry` allows, each from the newest complete checkpoint; how the last one ended."""
    policy = run.job.get("retry")
    before: Optional[retry.Failure] = None
    reached = 0
    while True:
        tries = int(run.journal.status["stages"][index].get("tries") or 0) + 1
        run.journal.change_stage(index, tries=tries)
        outcome, reason = _try(run, index)
        if reason is None:
            return outcome, None
        told = run.journal.status.get("verdict") or {}
        reached = max(reached, int((run.journal.status.get("progress") or {}).get("iter") or 0))
        last = retry.Failure(told.get("kind") or "unknown", told.get("line"), reached)
        why_not = retry.why_not(policy, tries, last, before)
        if policy is None or why_not is not None:
            return outcome, "{}; {}".format(reason, why_not) if why_not else reason
        before = last
        _back_off(run, index, reason, tries, policy)


def _back_off(run: Run, index: int, reason: str, tries: int, policy: Json) -> None:
    """Wait until it is time for the next try. Raises Stopped."""
    journal, name = run.journal, run.job["stages"][index]["name"]
    wait_s = retry.delay_s(policy, tries)
    again = "tried again in {:g} s, try {} of {}".format(wait_s, tries + 1, policy["attempts"])
    journal.event("stage_retried", stage=name, tries=tries, reason=reason, wait_s=wait_s)
    journal.change(reason="{}: {}; {}".format(name, reason, again), retry_at=round(time.time() + wait_s, 3))
    due = time.monotonic() + wait_s
    while time.monotonic() < due:
        run.signals.pause(max(0.0, min(0.5, due - time.monotonic())))
        journal.beat()
    journal.change(reason=None, retry_at=None)


def _try(run: Run, index: int) -> Tuple[Outcome, Optional[str]]:
    """One try: a stage that dies or hangs before it has started gets its `start_attempts`."""
    stage, journal = run.job["stages"][index], run.journal
    outcome, reason = _attempt(run, index)
    tried = 1
    while reason is not None and outcome.may_retry and tried < int(stage.get("start_attempts") or 1):
        journal.event("stage_retried", stage=stage["name"], attempt=tried, reason=reason)
        outcome, reason = _attempt(run, index)
        tried += 1
    if reason is not None and tried > 1:
        reason = "tried {} times: {}".format(tried, reason)
    return outcome, reason


def _attempt(run: Run, index: int) -> Tuple[Outcome, Optional[str]]:
    """One attempt, and why it does not count as a success."""
    stage = run.job["stages"][index]
    attempt = run.journal.status["stages"][index]["attempts"] + 1
    run.journal.change_stage(index, attempts=attempt)
    try:
        outcome = run_attempt(run, with_checkpoint(run, index, attempt), attempt)
    except Complete as error:
        outcome = Outcome(None, True, str(error), fatal=True, kind="config")
    finally:
        put_best_back(run, stage)
    missing = missing_of(run.run_dir, stage.get("must_leave") or [])
    if (outcome.done or outcome.ended_badly) and not missing:
        if outcome.ended_badly:
            told = "{}: {} after it was finished; all that it must leave is there"
            warn(run, "exit", told.format(stage["name"], failure.exit_words(outcome.exit_code or 0)))
        if (run.journal.status.get("verdict") or {}).get("stage") == stage["name"]:
            run.journal.change(verdict=None)
        return outcome, None
    return outcome, _reason(run, stage, attempt, outcome, missing)


def missing_of(run_dir: Path, patterns: List[str]) -> List[str]:
    """Those of `patterns` (relative to `run_dir`, globs) under which nothing lies, or only what is empty."""
    return [pattern for pattern in patterns if not any(_has_content(path) for path in _matches(run_dir, pattern))]


def _matches(run_dir: Path, pattern: str) -> List[str]:
    literal = os.path.join(str(run_dir), pattern)
    if os.path.lexists(literal):  # a name may hold "[" or "*" itself
        return [literal]
    return glob.glob(os.path.join(glob.escape(str(run_dir)), pattern), recursive=True)


def _has_content(path: str) -> bool:
    try:
        return bool(os.listdir(path)) if os.path.isdir(path) else os.path.getsize(path) > 0
    except OSError:
        return False


def _reason(run: Run, stage: Json, attempt: int, outcome: Outcome, missing: List[str]) -> str:
    logs = worker_logs(worker_log_dir(run.run_dir, stage["name"], attempt))
    workers = {rank: _tail(path) for rank, path in logs.items()}
    log = _tail(stage_log_path(run.run_dir, stage["name"]), outcome.log_from)
    _judge(run, stage, attempt, outcome, workers, log)
    if outcome.done:
        reason = "its steps ended with 0, but it did not leave " + ", ".join(missing)
        error = failure.find_error(workers, log)
        return "{} ({})".format(reason, error) if error else reason
    reason = failure.explain(outcome.problem, outcome.exit_code, workers, log, outcome.gone)
    if stage.get("must_leave"):
        reason += "; not left: " + ", ".join(missing) if missing else "; what it must leave is there all the same"
    return reason


def _judge(run: Run, stage: Json, attempt: int, outcome: Outcome, workers: Dict[int, str], log: str) -> None:
    facts = verdict.Facts(
        stage=stage["name"],
        attempt=attempt,
        code=outcome.exit_code,
        workers=workers,
        log=log,
        at=_now(),
        kind=outcome.kind,
        problem=outcome.problem,
        started=outcome.started,
        missing=outcome.done,
        distributed=any(step.get("distributed") for step in stage["steps"]),
        gone=outcome.gone,
        oom=outcome.oom,
        full=disk.free_bytes_of(run.run_dir) < _FULL_BYTES,
    )
    found = verdict.hide_in(verdict.make_verdict(facts), run.journal.hide)
    run.journal.change(verdict=found)
    run.journal.event("verdict", verdict=found)


def _tail(path: Path, start: int = 0) -> str:
    try:
        with open(str(path), "rb") as handle:
            handle.seek(max(start, handle.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return handle.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _now() -> float:
    return round(time.time(), 3)
