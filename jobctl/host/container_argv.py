"""The command lines of a container engine. Pure; Docker and Podman take the same words.

One container for each step, in the foreground of its client: what a step prints and ends with comes through the client.
The step's environment comes in on standard input, so that no secret stands in an argv or in what `inspect` shows, and
a container whose client died before it could say so starts nothing.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence

from .processes import FOLDER_MARKER, MARKER

ENVIRON_SCRIPT = r"""
for __jobctl in $(compgen -e); do unset "$__jobctl"; done 2>/dev/null
__jobctl_whole=
while IFS= read -r -d '' __jobctl; do
    if [ -z "$__jobctl" ]; then __jobctl_whole=1; break; fi
    export "$__jobctl"
done 2>/dev/null
if [ -z "$__jobctl_whole" ]; then echo "jobctl: error: its supervisor was gone before it could begin" >&2; exit 75; fi
unset __jobctl __jobctl_whole
exec "$@" </dev/null
"""
"""Takes the environment on standard input as `environ_bytes` makes it, in place of the image's, and becomes "$@"."""

NOT_IN_IMAGE = 66
PROBE_SCRIPT = r"""
for file in "$@"; do
    [ -f "$file" ] || { printf '%s' "$file"; exit 66; }
    . "$file" >&2
done
exec env -0
"""
"""Prints the image's environment after sourcing "$@"; NOT_IN_IMAGE and the name of a file that is not there."""

RUN_LABEL = "jobctl.run"
FOLDER_LABEL = "jobctl.run_dir"


class Mount(NamedTuple):
    """A file or folder of the host, as the container sees it."""

    source: str
    target: str
    read_only: bool = False


class Box(NamedTuple):
    """What a container of a run is made of. `env` is what `inspect` may show: never a secret."""

    engine: str  # docker or podman
    name: str
    run_id: str
    run_dir: str
    image: str
    user: str  # UID:GID; results belong to them
    shm_size: str
    groups: Sequence[str] = ()
    userns: Optional[str] = None
    runtime: Optional[str] = None  # another one than the engine's own, such as Ascend Docker Runtime
    privileged: bool = False
    devices: Sequence[str] = ()
    mounts: Sequence[Mount] = ()
    env: Optional[Dict[str, str]] = None
    extra_args: Sequence[str] = ()


def run_argv(box: Box, workdir: str, script: str, argv: Sequence[str]) -> List[str]:
    """`docker run`: bash in the container runs `script` with `argv` as its "$@".

    `--init`: a launcher as process 1 would ignore signals and reap nobody. `--log-driver=none`: the stage's log is the
    log; the engine's own would hold it twice, without limit.
    """
    words = [box.engine, "run", "--rm", "--init", "--interactive", "--name=" + box.name]
    words += ["--label={}={}".format(RUN_LABEL, box.run_id), "--label={}={}".format(FOLDER_LABEL, box.run_dir)]
    words += ["--network=host", "--shm-size=" + box.shm_size, "--log-driver=none", "--user=" + box.user]
    words += ["--group-add=" + group for group in box.groups]
    words += ["--userns=" + box.userns] if box.userns else []
    words += ["--runtime=" + box.runtime] if box.runtime else []
    words += ["--privileged"] if box.privileged else []
    words += ["--device=" + device for device in box.devices]
    words += ["--mount=" + mount_word(mount) for mount in box.mounts]
    environ = dict(box.env or {}, **{MARKER: box.run_id, FOLDER_MARKER: box.run_dir})
    words += ["--env={}={}".format(name, value) for name, value in sorted(environ.items())]
    words += list(box.extra_args)
    words += ["--workdir=" + workdir, "--entrypoint=bash", box.image]
    return words + ["--noprofile", "--norc", "-c", script, "jobctl"] + list(argv)


def mount_word(mount: Mount) -> str:
    """The value of `--mount`, which is a line of CSV; `--volume` could not hold a path with a colon."""
    fields = ["type=bind", "source=" + mount.source, "target=" + mount.target]
    return ",".join(_csv(field) for field in fields + (["readonly"] if mount.read_only else []))


def _csv(field: str) -> str:
    if not any(character in field for character in ',"\r\n'):
        return field
    return '"{}"'.format(field.replace('"', '""'))


def environ_bytes(environ: Dict[str, str]) -> bytes:
    """`environ` for ENVIRON_SCRIPT; an empty entry says that it is whole."""
    entries = [(name + "=" + value).encode("utf-8", "surrogateescape") for name, value in environ.items()]
    return b"".join(entry + b"\0" for entry in entries) + b"\0"


def list_argv(engine: str, run_dir: str) -> List[str]:
    """Prints the ids of all containers of a run, also of those that never started."""
    label = "label={}={}".format(FOLDER_LABEL, run_dir)
    return [engine, "ps", "--all", "--quiet", "--no-trunc", "--filter", label]


def remove_argv(engine: str, ids: Sequence[str]) -> List[str]:
    """Ends containers with every process in them, and takes them away."""
    return [engine, "rm", "--force", "--volumes"] + list(ids)
