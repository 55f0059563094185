"""The first check: whether the host can be reached, and what is to be done where it cannot. Pure."""

from __future__ import annotations

from jobctl.checks.model import Check
from jobctl.errors import HostError
from jobctl.spec.inventory import Host

NAME = "ssh"


def good_connection(target: Host, connected_s: float) -> Check:
    """It answered. `connected_s`: how long that took."""
    if target.transport == "local":
        return Check(NAME, "ok", "this machine itself")
    return Check(NAME, "ok", f"connected in {connected_s:.1f} s, host key and login as they should be")


def failed_connection(error: HostError, target: Host) -> Check:
    """What kept us from asking, as the check that it belongs to. The remedy is the error's own next command."""
    found = ": ".join(part for part in (error.what, str(error.value) if error.value is not None else "") if part)
    return Check(NAME, "failed", found, error.hint, error.next_command, True)
