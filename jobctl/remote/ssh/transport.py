"""The SSH transport: one connection a host, opened by its first use, opened again by the next use after it was lost."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobctl.remote.ssh.command import make_remote_command
from jobctl.remote.ssh.config import resolve_hops
from jobctl.remote.ssh.lookup import make_lookup
from jobctl.remote.ssh.settings import Prompts, SshSettings, Tuning
from jobctl.remote.streams import run_to_end
from jobctl.remote.transport import Completed, Transport

if TYPE_CHECKING:
    from jobctl.remote.ssh.connect import Chain
    from jobctl.remote.ssh.stream import SshStream


@dataclass(frozen=True)
class Traffic:
    """What a transport has cost so far. A round trip: the other side spoke after we did, on any hop."""

    connections: int
    round_trips: int
    sent_bytes: int
    received_bytes: int


class SshTransport:
    """Commands on one host. Safe to use from several threads."""

    in_bulk = False

    def __init__(self, settings: SshSettings, prompts: Prompts | None = None, tuning: Tuning | None = None) -> None:
        self.name = settings.name
        self._settings = settings
        self._prompts = prompts
        self._tuning = tuning or Tuning()
        self._lock = threading.Lock()
        self._chains: list[Chain] = []
        """All that were ever opened; only the last one may be alive."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        """Run to the end; standard error is its last 64 KiB. Raises as `Transport.run` says."""
        return run_to_end(self.open(argv), argv, stdin, timeout_s, self.name)

    def open(self, argv: Sequence[str]) -> SshStream:
        """Start a program, connecting first where needed. Raises ConnectError and its siblings, and HostError."""
        from jobctl.remote.ssh.stream import start

        command = make_remote_command(argv)
        with self._lock:
            chain = self._live_chain()
        return start(chain.session, command, self.name, self._tuning)

    def another(self) -> Transport | None:
        """A further way to the host, over connections of its own, for bytes in bulk; nobody is asked for anything.

        The system's `ssh`, which is faster, where it gets in as we did; else paramiko once more. None where somebody
        typed a secret. Connects first where needed.
        """
        from jobctl.remote.ssh.keys import find_agent
        from jobctl.remote.ssh.openssh import OpensshTransport, has_openssh
        from jobctl.remote.ssh.openssh_files import NotForOpenssh, Step

        with self._lock:
            chain = self._live_chain()
        if chain.was_typed:
            return None
        if has_openssh():
            hops = zip(chain.hops, chain.host_keys, chain.ways, strict=True)
            steps = [Step(hop, key, way, find_agent(hop.identity_agent)) for hop, key, way in hops]
            with suppress(NotForOpenssh):
                return OpensshTransport(self.name, steps, self._tuning)
        return SshTransport(self._settings, None, self._tuning)

    def close(self) -> None:
        """Drop the connection; whoever reads from it is woken. Safe to call twice."""
        for chain in self._chains:
            chain.close()

    @property
    def traffic(self) -> Traffic:
        """Connections, round trips and bytes since this transport was made."""
        lines = [session.line for chain in self._chains for session in chain.sessions]
        return Traffic(
            connections=len(lines),
            round_trips=sum(line.round_trips for line in lines),
            sent_bytes=sum(line.sent_bytes for line in lines),
            received_bytes=sum(line.received_bytes for line in lines),
        )

    def _live_chain(self) -> Chain:
        from jobctl.remote.ssh.connect import connect

        if not self._chains or not self._chains[-1].session.is_active():
            for old in self._chains:
                old.close()
            hops = resolve_hops(self._settings, make_lookup(self._settings.ssh_config))
            self._chains.append(connect(self._settings, hops, self._prompts, self._tuning))
        return self._chains[-1]
