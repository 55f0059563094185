"""From an inventory's host to its transport, without paramiko: that is imported by the first connection."""

from __future__ import annotations

from jobctl.remote.ssh.settings import InventoryHost, Prompts, SshSettings, Tuning
from jobctl.remote.ssh.transport import SshTransport


def make_ssh_transport(
    host: InventoryHost, prompts: Prompts | None = None, tuning: Tuning | None = None
) -> SshTransport:
    """A transport that connects when it is first used. `prompts` None: nobody is asked for a secret."""
    return SshTransport(SshSettings.of(host), prompts, tuning or Tuning())
