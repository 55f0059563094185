"""How a step is started: argv and environment for `paddle.distributed.launch`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from jobctl.ascend.contract import CONTRACT
from jobctl.spec.job import Job, Step

LAUNCH = ("python", "-u", "-m", "paddle.distributed.launch")
"""`python` is the venv's: the supervisor puts its `bin` first in PATH."""

CPU_ENV = {"PADDLE_DISTRI_BACKEND": "gloo"}
"""The launcher tells it to each rank where it sees no device (launch/controllers/collective.py, paddlepaddle 3.3.1);
told by us, it does not depend on that."""


def make_argv(step: Step, job: Job, devices: Sequence[int] | None = None) -> list[str]:
    """The step's whole argv.

    `devices` are the numbers that the ranks see: 0 to cards-1 unless said. They need not be the numbers of the cards
    that are held: `ASCEND_RT_VISIBLE_DEVICES`, set on the host, renumbers those from 0.
    """
    if not step.distributed:
        return list(step.argv)
    if job.device == "cpu":
        return [*LAUNCH, "--nproc_per_node", str(job.cards), *step.argv]
    numbers = range(job.cards) if devices is None else devices
    return [*LAUNCH, "--devices", ",".join(map(str, numbers)), *step.argv]


def make_env(job: Job) -> dict[str, str]:
    """What every stage gets, before the supervisor adds what only the host knows. The job's own `env` wins."""
    return {**(CONTRACT if job.device == "npu" else CPU_ENV), **job.env}
