"""What ends an attempt, or warns, while its processes live: hang, nan, disk, walltime, cpu. Each is off or cautious.

hang       hang_timeout_s: no new line in any log for so long
nan        nan_limit: so many training lines in a row whose loss is not finite
disk       with `checkpoints`: the next one would not fit (a warning before)
walltime   walltime_s of the job: since it has its cards (a warning at nine tenths)
cpu        cards are held, the training goes on, and npu-smi shows nobody on them: a warning only
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import List, NamedTuple, Optional

from . import cards, disk, npu_smi, processes, stacks
from .files import Json, read_json
from .ranks import Ranks
from .step import Run
from .watch import Watch

_DISK_EVERY_S = 5.0
_CPU_AFTER_S = 300.0
_MOST_WARNINGS = 20


class Bite(NamedTuple):
    """Why an attempt is to be ended: the kind of the verdict, and a sentence."""

    kind: str
    problem: str


class Watchdogs:
    """Those of one attempt. `watch` reads its logs, `ranks` tells who went first."""

    def __init__(self, run: Run, stage: Json, attempt: int, watch: Watch, log_dir: Path) -> None:
        self.ranks = Ranks(log_dir)
        self._run = run
        self._stage = stage
        self._attempt = attempt
        self.watch = watch
        self._disk_at = 0.0
        # The wall clock may jump, so it is asked once; the time spent waiting for cards does not count.
        spent_s = max(0.0, time.time() - (run.journal.status.get("started_at") or time.time()))
        self._run_began = time.monotonic() - spent_s
        self._training_since: Optional[float] = None
        self._cards_seen = False

    def look(self) -> Optional[Bite]:
        """To be called at each tick; what ends the attempt, or None."""
        self.ranks.poll()
        now = time.monotonic()
        self._check_cards(now)
        return self._walltime(now) or self._nan() or self._disk(now) or self._hang(now)

    def _walltime(self, now: float) -> Optional[Bite]:
        limit_s = self._run.job.get("walltime_s")
        if not limit_s:
            return None
        if now - self._run_began >= limit_s:
            return Bite("walltime", "the walltime of {:g} s is over".format(limit_s))
        if now - self._run_began >= 0.9 * limit_s:
            text = "nine tenths of the walltime of {:g} s are over; then it is ended, and can be resumed".format(
                limit_s
            )
            warn(self._run, "walltime", text)
        return None

    def _nan(self) -> Optional[Bite]:
        limit = self._stage.get("nan_limit")
        if not limit or self.watch.not_finite < limit:
            return None
        return Bite("nan", "the loss was not finite in {} training lines in a row".format(self.watch.not_finite))

    def _disk(self, now: float) -> Optional[Bite]:
        checkpoints = self._stage.get("checkpoints")
        if not checkpoints or now - self._disk_at < _DISK_EVERY_S:
            return None
        self._disk_at = now
        try:
            found = disk.look(self._run.run_dir, checkpoints)
        except OSError:
            return None
        if found is None:
            return None
        if found.bad:
            return Bite("disk", found.text)
        warn(self._run, "disk", found.text)
        return None

    def _hang(self, now: float) -> Optional[Bite]:
        limit_s = self._stage.get("hang_timeout_s")
        if not limit_s or now - self.watch.heard_at < limit_s:
            return None
        name = "{}.hang-{}.txt".format(self._stage["name"], self._attempt)
        found = processes.processes_of(self._run.run_dir, os.getpid())
        venv = str((read_json(self._run.run_dir / "environment.json") or {}).get("path") or "")
        told = stacks.collect(found, venv, self._run.run_dir / "logs" / name, self._run.journal.hide)
        where = "; where its processes were: logs/" + name if told else ""
        return Bite("hang", "no new line in any log for {:g} s{}".format(limit_s, where))

    def _check_cards(self, now: float) -> None:
        if self._cards_seen or not self._run.cards or not self.watch.train_lines:
            return
        self._training_since = self._training_since or now
        if now - self._training_since < _CPU_AFTER_S:
            return
        self._cards_seen = True
        text = cpu_warning(cards.look().snapshot, self._run.cards)
        if text:
            warn(self._run, "cpu", text)


def cpu_warning(snapshot: Optional[npu_smi.Snapshot], held: List[int]) -> Optional[str]:
    """What to say when nobody computes on the cards that a training holds; None when somebody does, or who knows.

    Any process counts, not only the run's: inside a container npu-smi shows the host's pids.
    """
    if snapshot is None or snapshot.processes is None or not held:
        return None
    if any(process.npu in held for process in snapshot.processes):
        return None
    return "it trains, but npu-smi shows no process on its cards ({}): on the CPU?".format(
        ", ".join(str(card) for card in held)
    )


def warn(run: Run, kind: str, text: str) -> None:
    """Tell it in status.json and events.jsonl, once for each kind."""
    warnings: List[Json] = list(run.journal.status.get("warnings") or [])
    if any(warning["kind"] == kind for warning in warnings):
        return
    warnings.append({"at": round(time.time(), 3), "kind": kind, "text": text})
    run.journal.change(warnings=warnings[-_MOST_WARNINGS:])
    run.journal.event("warning", kind=kind, text=text)
