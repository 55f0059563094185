"""Notes every few seconds, while a stage runs, what the host and the run's cards do.

npu-smi takes up to seconds on a busy host: it runs beside the supervisor, which only looks in on it, and for at most a
fifth of the time.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import IO, Optional

from . import npu_smi
from .cards import find_smi
from .samples import CpuTimes, make_cards_record, read_host
from .step import Run, StepProblem, spawn

EVERY_S = 10.0
_FULL_RATE_S = 20000.0  # later the gaps grow with the run: it has some thousand samples however long it takes
_SMI_TIMEOUT_S = 20.0
_SMI_SHARE = 5.0


def gap_s(age_s: float) -> float:
    """Seconds until the next sample of a run that is so old."""
    return EVERY_S * max(1.0, age_s / _FULL_RATE_S)


class Sampler:
    """For one attempt at a stage. What cannot be known is None in the record, and never a reason to end a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._cpu: Optional[CpuTimes] = None
        self._host_due = self._cards_due = time.monotonic()
        self._program = find_smi() if run.cards else None
        self._asked_at = 0.0
        self._pid: Optional[int] = None
        self._answer: Optional[IO[bytes]] = None

    def tick(self) -> None:
        """Do what is due. Cheap when nothing is."""
        now = time.monotonic()
        if now >= self._host_due:
            first = self._cpu is None
            record, self._cpu = read_host(self._run.run_dir, self._cpu)
            self._run.journal.record(record)
            self._host_due = now + (1.0 if first else self._gap_s())  # a share of the processors needs two looks
        if not self._run.cards:
            return
        if self._pid is not None:
            self._look_in(now)
        elif now >= self._cards_due:
            self._ask(now)

    def _gap_s(self) -> float:
        started_at = self._run.journal.status.get("started_at") or time.time()
        return gap_s(time.time() - started_at)

    def _ask(self, now: float) -> None:
        self._asked_at, self._cards_due = now, now + self._gap_s()
        if self._program is None:
            self._run.journal.record(make_cards_record(None, self._run.cards))
            self._cards_due = float("inf")  # said once: there is nobody to ask
            return
        import tempfile  # slow to import, and a run without cards never needs it

        try:
            self._answer = tempfile.TemporaryFile()  # noqa: SIM115 (closed when npu-smi has ended)
            environ = dict(os.environ, LC_ALL="C")
            self._pid = spawn(self._run, [self._program, "info"], self._run.run_dir, environ, self._answer)
        except (OSError, StepProblem):
            self._run.journal.record(make_cards_record(None, self._run.cards))

    def _look_in(self, now: float) -> None:
        assert self._pid is not None and self._answer is not None
        if self._run.signals.exit_code(self._pid) is None:
            if now - self._asked_at > _SMI_TIMEOUT_S:
                with suppress(ProcessLookupError):
                    os.kill(self._pid, 9)
            return
        self._answer.seek(0)
        snapshot = npu_smi.parse(self._answer.read(1 << 20).decode("utf-8", "replace"))
        self._answer.close()
        self._pid = self._answer = None
        self._cards_due = max(self._cards_due, now + (_SMI_SHARE - 1) * (now - self._asked_at))
        self._run.journal.record(make_cards_record(snapshot, self._run.cards))
