"""The one question that a host is asked: what the job needs to be known. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jobctl.checks.model import Wanted
from jobctl.spec.inventory import Host
from jobctl.spec.job import Job

SET_ENV = "/usr/local/Ascend/ascend-toolkit/set_env.sh"
"""Where CANN's toolkit puts it unless it is told otherwise (CANN 8.0)."""
DRIVER_FILES = ("/usr/local/Ascend/driver", "/usr/local/bin/npu-smi")
"""What a container needs of the host's driver, PaddleCustomDevice's README (backends/npu) says."""
_INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")
_URL = ("http://", "https://")


def make_question(wanted: Wanted, target: Host, peers: Sequence[Host]) -> dict[str, Any]:
    """`wanted` of the request `facts`."""
    job = wanted.job
    return {
        "python": job.environment.python if job else None,
        "lease_dir": target.lease_dir,
        "source": list(job.environment.source) if job else [SET_ENV],
        "on_boot": job is not None and job.on_boot is not None,
        "reach": list(_addresses(job)),
        "peers": [
            {"host": peer.name, "address": peer.address, "port": peer.port or 22}
            for peer in peers
            if peer.transport == "ssh"
        ],
        "container": None if wanted.runtime == "bare" else _container(wanted),
    }


def _container(wanted: Wanted) -> dict[str, Any]:
    images = dict(wanted.job.image) if wanted.job else {}
    mounts = [] if wanted.device == "cpu" else list(DRIVER_FILES)
    return {"engine": wanted.runtime, "images": images, "mounts": mounts}


def _addresses(job: Job | None) -> Iterator[dict[str, str | None]]:
    """What the host fetches from; `url` None: the index that its pip knows."""
    indexes: dict[str | None, None] = {}
    for arguments in job.environment.install if job else ((),):
        named = list(_indexes(arguments))
        indexes.update(dict.fromkeys(named if named or "--no-index" in arguments else [None]))
    yield from ({"kind": "pip_index", "url": url} for url in indexes)
    if job is None:
        return
    if job.code.git is not None and job.code.fetch == "host":
        yield {"kind": "git_remote", "url": job.code.git}
    words = (word for stage in job.stages for step in stage.steps for word in step.argv)
    for word in dict.fromkeys(words):
        if word.startswith(_URL):
            yield {"kind": "downloads", "url": word}


def _indexes(arguments: Sequence[str]) -> Iterator[str]:
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if equals and name in _INDEX_OPTIONS:
            yield value
        elif argument in _INDEX_OPTIONS and index + 1 < len(arguments):
            yield arguments[index + 1]
        elif argument.startswith(_URL):
            yield argument
