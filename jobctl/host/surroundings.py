"""The environment that a stage's steps see: the login's, what is sourced, what the job says, and our own marks."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from .ports import LAUNCHER

Environ = Dict[str, str]

# Each file is an argument, so no path is ever read as shell. stdout is kept for env(1). A file's own exit status says
# nothing (CANN's set_env.sh may end on a false test), and `set -u` would kill it (seen with CANN 8.0).
_SOURCE_SCRIPT = 'for file in "$@"; do . "$file" >&2; done; exec env -0'

# Paddle's launcher lets the environment win over its own flags (3.3.1, launch/context): the login's must not reach it.
_SCRUBBED_PREFIXES = ("PADDLE_", "JOBCTL_")
_SCRUBBED_NAMES = ("POD_IP", "VIRTUAL_ENV", "PYTHONHOME")


def shown(argv: Sequence[str]) -> str:
    """A command line as a person would type it; for eyes only."""
    return " ".join(shlex.quote(word) for word in argv)


def source_argv(files: Sequence[str]) -> List[str]:
    """argv that prints the environment, NUL-separated, after sourcing `files` (absolute paths) in order."""
    return ["bash", "--noprofile", "--norc", "-c", _SOURCE_SCRIPT, "jobctl-source"] + list(files)


def parse_environ(data: bytes) -> Environ:
    """What `env -0` printed."""
    pairs = (entry.partition(b"=") for entry in data.split(b"\0") if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def scrub(login: Environ) -> Environ:
    """The login's environment without what would steer the launcher or belong to another run."""
    return {
        name: value
        for name, value in login.items()
        if not name.startswith(_SCRUBBED_PREFIXES) and name not in _SCRUBBED_NAMES
    }


def with_venv(environ: Environ, venv: Optional[Path]) -> Environ:
    """`environ` as the venv's activate script would leave it."""
    if venv is None:
        return dict(environ)
    path = os.pathsep.join(part for part in (str(venv / "bin"), environ.get("PATH", os.defpath)) if part)
    return dict(environ, VIRTUAL_ENV=str(venv), PATH=path)


def with_pythonpath(environ: Environ, code: Path, entries: Sequence[str]) -> Environ:
    """`entries`, relative to `code`, after what PYTHONPATH holds: CANN's own entries (`acl`) stay first."""
    if not entries:
        return dict(environ)
    parts = [part for part in environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    parts += [os.path.normpath(str(code / entry)) for entry in entries]
    return dict(environ, PYTHONPATH=os.pathsep.join(parts))


def with_cards(environ: Environ, device: str, cards: Sequence[int]) -> Environ:
    """The cards that the processes see. `--devices` counts from 0 then; NPU_VISIBLE_DEVICES would shift it again.

    On CPUs: none. A login's CUDA_VISIBLE_DEVICES, even an empty one, makes the launcher look for as many devices as
    there are ranks, and fail: "IndexError: list index out of range" (paddlepaddle 3.3.1).
    """
    if device != "npu":
        return {name: value for name, value in environ.items() if not name.endswith("_VISIBLE_DEVICES")}
    seen = {name: value for name, value in environ.items() if name != "NPU_VISIBLE_DEVICES"}
    seen["ASCEND_RT_VISIBLE_DEVICES"] = ",".join(str(card) for card in cards)
    return seen


def with_ports(environ: Environ, device: str, base: int) -> Environ:
    """The ports that are the run's own on this host, `ports.BLOCK` from `base` on. What the job's `env` says wins.

    Paddle's launcher takes all its ports, the store's too, from PORT_RANGE (3.3.1, launch/context/node.py), both ends
    included. HCCL's host side takes ports from HCCL_IF_BASE_PORT on; that is from CANN's documents, and neither it nor
    how many it takes was seen on an NPU.
    """
    told = dict(environ, PORT_RANGE="{}:{}".format(base, base + LAUNCHER - 1))
    if device == "npu":
        told["HCCL_IF_BASE_PORT"] = str(base + LAUNCHER)
    return told
