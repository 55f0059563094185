"""What a submit asks of the host's cards, and how it went where the user wants to know at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobctl.errors import InputError, NoCardsFree
from jobctl.host import states
from jobctl.spec.job import Job

_PATIENCE_S = 120.0  # npu-smi takes up to 20 s a question on a host that is not well
_ASK_EVERY_S = 0.3


@dataclass(frozen=True)
class Wish:
    """`cards`: these, by number; None: the first free ones. `exclusive`: nobody else gets one of the host.

    `wait_s`: how long the run may wait for them; None: for ever; 0: not at all.
    """

    cards: tuple[int, ...] | None = None
    exclusive: bool = False
    wait_s: float | None = None

    def checked(self, job: Job) -> Wish:
        """Itself. Cards by number must be those of the job, no more and no fewer. Raises InputError."""
        wait = "--no-wait" if self.wait_s == 0 else "--wait"
        asked = {"--cards": self.cards is not None, "--exclusive": self.exclusive, wait: self.wait_s is not None}
        if job.device == "cpu" and any(asked.values()):
            names = ", ".join(name for name in asked if asked[name])
            value = list(self.cards) if self.cards is not None else None
            raise InputError(f"a job with `device: cpu` holds no cards; leave {names} out", value=value)
        if self.wait_s is not None and not 0 <= self.wait_s < float("inf"):
            raise InputError("a wait is a time from 0 s on", value=self.wait_s)
        if self.cards is None:
            return self
        if len(set(self.cards)) != len(self.cards):
            raise InputError("a card is named twice in --cards", value=list(self.cards))
        if len(self.cards) != job.cards:
            raise InputError(
                f"the job wants {job.cards} cards, and --cards names {len(self.cards)}",
                value=list(self.cards),
                hint="`cards` of the job is the number of processes that train, one on each card",
            )
        return self


def await_cards(status: dict[str, Any], ask: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """The status of a run that was not to wait, once it has its cards or has failed for want of them."""
    deadline = time.monotonic() + _PATIENCE_S
    while status["state"] in (states.STAGING, states.QUEUED) and time.monotonic() < deadline:
        time.sleep(_ASK_EVERY_S)
        status = ask() or status
    return status


def refusal(status: dict[str, Any], run_id: str, host: str) -> NoCardsFree | None:
    """What the user is told of a run that was not to wait and got no cards."""
    verdict = status.get("verdict") or {}
    if status["state"] != states.FAILED or verdict.get("kind") != "cards":
        return None
    return NoCardsFree(
        f"{run_id} did not start: {status.get('reason')}",
        where=host,
        hint="without --no-wait, or with such as --wait 2h, it waits in turn; this run stays in the list as FAILED",
        next_command=f"jobctl status {run_id}",
    )
