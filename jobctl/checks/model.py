"""A check: facts of a host and what a job wants in, a verdict with its remedy out. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jobctl.spec.job import Job

Verdict = Literal["ok", "warning", "failed", "unknown", "skipped"]


@dataclass(frozen=True)
class Check:
    """`found` and `wanted` in words. `remedy`: the exact next command, to be given on the host, or, where
    `remedy_is_here`, on the laptop; empty where there is none.
    """

    name: str
    verdict: Verdict
    found: str
    wanted: str = ""
    remedy: str = ""
    remedy_is_here: bool = False


@dataclass(frozen=True)
class Finding:
    """A check without its name."""

    verdict: Verdict
    found: str
    wanted: str = ""
    remedy: str = ""
    here: bool = False


@dataclass(frozen=True)
class Wanted:
    """What the host is to be fit for. `job` None: no config was named, so only what every job needs is held to.

    `host`: its name in the inventory; `runtime` and, for containers, `shm_bytes`: as the inventory says. `config` and
    `inventory`: the files, for remedies.
    """

    host: str
    runtime: str = "bare"
    shm_bytes: int = 0
    job: Job | None = None
    config: str = ""
    inventory: str = ""
    cards: int = 0
    several_hosts: bool = False

    def command(self, *words: str) -> str:
        """A jobctl command, with the inventory."""
        return shlex.join(["jobctl", *words, "-i", self.inventory or "INVENTORY"])

    @property
    def config_word(self) -> str:
        return self.config or "CONFIG"

    @property
    def device(self) -> str | None:
        """`npu`, `cpu`, or None where no job says."""
        return self.job.device if self.job else None

    @property
    def distributed(self) -> bool:
        """Whether the job has processes that talk with each other."""
        return self.job is not None and any(step.distributed for stage in self.job.stages for step in stage.steps)


class NotKnown(Exception):
    """A fact that the host could not tell; the message says why."""


@dataclass(frozen=True)
class Facts:
    """What the host said, by probe: {"value": ...} or {"unknown": why}. `clock_*`: see `jobctl.checks.clock`."""

    probes: Mapping[str, Any]
    clock_offset_s: float = 0.0
    clock_error_s: float = 0.0
    known: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """The value of a probe. Raises NotKnown."""
        found = self.probes.get(name)
        if not isinstance(found, Mapping) or "value" not in found:
            why = found.get("unknown") if isinstance(found, Mapping) else None
            raise NotKnown(str(why or "the host did not say"))
        return found["value"]

    @property
    def has_ascend(self) -> bool:
        """Whether anything of Ascend is seen: a driver, a card, a device file, npu-smi."""
        return bool(self["driver"]["text"] or self["cards"]["npu_smi"] or self["cards"]["ids"] or self["devices"])


Checker = Callable[[Facts, Wanted], Finding]


def ok(found: str) -> Finding:
    """It is as it should be."""
    return Finding("ok", found)


def skipped(why: str) -> Finding:
    """It does not apply."""
    return Finding("skipped", why)


def unknown(why: str, remedy: str = "") -> Finding:
    """It could not be told."""
    return Finding("unknown", why, remedy=remedy)
