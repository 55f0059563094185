"""The one question that a host is asked: what the job needs to be known. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobctl.checks.model import Wanted
from jobctl.spec.inventory import Host

SET_ENV = "/usr/local/Ascend/ascend-toolkit/set_env.sh"
"""Where CANN's toolkit puts it unless it is told otherwise (CANN 8.0)."""


def make_question(wanted: Wanted, target: Host, peers: Sequence[Host]) -> dict[str, Any]:
    """`wanted` of the request `facts`."""
    job = wanted.job
    return {
        "python": job.environment.python if job else None,
        "lease_dir": target.lease_dir,
        "source": list(job.environment.source) if job else [SET_ENV],
        "on_boot": job is not None and job.on_boot is not None,
        "reach": [],
        "peers": [],
        "container": None,
    }
