"""What a host answers in place of a result, as the error that the user is told."""

from __future__ import annotations

from jobctl.errors import (
    ChangedHostKey,
    ContainerError,
    HostProgramError,
    InputError,
    JobctlError,
    NoSpace,
    RunNotFound,
    TransferError,
    TreeGone,
)
from jobctl.remote.answers import misunderstood


def make_host_error(host: str, error: object) -> JobctlError:
    """`error`: of a reply, {"kind", "message", "hint", "path"} (`host/server.py`)."""
    if not isinstance(error, dict):
        return misunderstood(host, f"error: {error!r}")
    kind, message, hint = error.get("kind"), str(error.get("message")), str(error.get("hint") or "")
    where = f"{host}: {error['path']}" if error.get("path") else host
    if kind == "no_space":
        return NoSpace("no space left on the host", where=where, hint="free some, or set another `work_dir:`")
    if kind in ("run_not_found", "no_run"):
        return RunNotFound(message, where=host, next_command="jobctl ps")
    if kind == "container":
        return ContainerError(message, where=where, hint=hint)
    if kind in ("transfer", "relay"):
        return TransferError(message, where=where, hint=hint)
    if kind == "tree_gone":
        return TreeGone(message, where=where, hint="submit again: what is missing is sent again")
    if kind == "impostor":
        return _impostor(message, host)
    if kind in ("no_stage", "refused"):
        return InputError(message, where=where, hint=hint)
    if kind == "bug":
        return HostProgramError("the host program failed", where=host, value=message[-2000:], hint="please report this")
    return HostProgramError(message, where=where, value=error.get("log") or None, hint=hint)


def _impostor(message: str, host: str) -> ChangedHostKey:
    """A host that passes a tree on met somebody else at the next one's address."""
    return ChangedHostKey(
        "SOMEBODY ELSE ANSWERED where the next host should: nothing was sent there",
        where=f"seen from {host}",
        value=message,
        hint="whoever answered has not the key that was given to that host a moment ago: another service, or somebody "
        "between the two. Ask their admin; `--direct` sends to each host over its own SSH connection",
    )
