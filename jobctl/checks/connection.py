"""The first check: whether the host can be reached, and what is to be done where it cannot. Pure."""

from __future__ import annotations

import shlex

from jobctl.checks.model import Check
from jobctl.errors import HostError, NoSpace, PythonMissing
from jobctl.spec.inventory import Host

NAME = "ssh"


def good_connection(target: Host, connected_s: float | None = None) -> Check:
    """It answered. `connected_s`: how long that took."""
    if target.transport == "local":
        return Check(NAME, "ok", "this machine itself")
    took = f" in {connected_s:.1f} s" if connected_s is not None else ""
    return Check(NAME, "ok", f"connected{took}; host key and login are as they should be")


def failed_connection(error: HostError, target: Host) -> list[Check]:
    """What kept us from asking, as the checks that it belongs to."""
    found = ": ".join(part for part in (error.what, str(error.value) if error.value is not None else "") if part)
    if isinstance(error, PythonMissing):
        remedy = "sudo apt-get install -y python3"
        return [good_connection(target), Check("python", "failed", found, error.hint, remedy)]
    if isinstance(error, NoSpace):
        remedy = f"df -h {shlex.quote(target.work_dir)}"
        return [good_connection(target), Check("disk", "failed", found, error.hint, remedy)]
    if "work_dir" in error.hint:  # the host program could not be written there
        path = shlex.quote(target.work_dir) if not target.work_dir.startswith("~") else target.work_dir
        remedy = f'sudo mkdir -p {path} && sudo chown "$(id -u):$(id -g)" {path}'
        return [good_connection(target), Check("disk", "failed", f"{found} ({error.where})", error.hint, remedy)]
    remedy = error.next_command or f"ssh {shlex.quote(target.address)} true"
    return [Check(NAME, "failed", found, error.hint, remedy, True)]
