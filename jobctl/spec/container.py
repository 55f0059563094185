"""How the containers of a host are made: the part `container` of an inventory."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from jobctl.spec.fields import Misfit, Part, check_text

_SIZE = re.compile(r"[1-9]\d*[bkmgBKMG]?")
_OPTION = re.compile(r"--[a-z][a-z0-9-]*(=.+)?", re.DOTALL)
_OURS = {
    "--cidfile": "jobctl finds its containers by their labels",
    "--detach": "a step runs in the foreground, where its end is seen",
    "--entrypoint": "what runs in a container is the step",
    "--interactive": "the environment comes in on standard input",
    "--label": "jobctl finds its containers by their labels",
    "--log-driver": "the stage's log is the log",
    "--mount": "write it into `extra_mounts`",
    "--name": "the name is the run's",
    "--net": "ranks and HCCL use the host's network",
    "--network": "ranks and HCCL use the host's network",
    "--privileged": "write `privileged: true`",
    "--restart": "what goes on again is decided by `retry` and `on_boot`",
    "--rm": "it is given already",
    "--shm-size": "write `shm_size`",
    "--tty": "a step has no terminal",
    "--user": "results belong to the user",
    "--volume": "write it into `extra_mounts`",
    "--workdir": "where a step runs is its `cwd`",
}


def _check_size(text: str) -> str:
    if not _SIZE.fullmatch(text):
        raise Misfit("must be a number and a unit of b, k, m, g", hint="such as 128G")
    return text


def size_bytes(text: str) -> int:
    """`128G` as bytes: powers of 1024, as the engines count. `text` is a valid `shm_size`."""
    unit = "bkmg".find(text[-1].lower())
    return int(text.rstrip("bkmgBKMG")) << 10 * max(unit, 0)


def _check_option(text: str) -> str:
    """One word each: a second word would be taken for the image."""
    check_text(text)
    if not _OPTION.fullmatch(text):
        raise Misfit("must be one long option in one word", hint="such as --ulimit=memlock=-1")
    name = text.partition("=")[0]
    if name in _OURS:
        raise Misfit(f"{name} is not for the user to set: {_OURS[name]}")
    return text


def _check_mount(text: str) -> str:
    parse_mount(text)
    return text


def parse_mount(text: str) -> dict[str, str | bool]:
    """`SOURCE[:TARGET][:ro]` as `docker run -v` has it: {"source", "target", "read_only"}. Raises Misfit."""
    check_text(text)
    parts = text.split(":")
    mode = parts.pop() if len(parts) > 1 and parts[-1] in ("ro", "rw") else "rw"
    source, target = parts[0], parts[1] if len(parts) > 1 else ""
    if len(parts) > 2:
        raise Misfit("has more than SOURCE:TARGET:ro", hint="a path with ':' cannot be mounted")
    if not source.startswith(("/", "~/")) or (target and not target.startswith("/")):
        raise Misfit("must be SOURCE, SOURCE:TARGET or SOURCE:TARGET:ro with absolute paths")
    return {"source": source, "target": target, "read_only": mode == "ro"}


Size = Annotated[str, AfterValidator(_check_size), Field(json_schema_extra={"pattern": f"^{_SIZE.pattern}$"})]


class Container(Part):
    """What the tutorial's `docker run` has on its command line, where hosts differ."""

    shm_size: Size = Field("128G", description="Size of /dev/shm, which data loaders use.")
    extra_mounts: tuple[Annotated[str, AfterValidator(_check_mount)], ...] = Field(
        (), description="Folders of the host beside work_dir and datasets, as docker's -v: SOURCE[:TARGET][:ro]."
    )
    privileged: bool = Field(False, description="As the tutorial: every device of the host, not the run's cards alone.")
    extra_args: tuple[Annotated[str, AfterValidator(_check_option)], ...] = Field(
        (), description="Further options of 'docker run', one word each, such as '--ulimit=memlock=-1'."
    )
