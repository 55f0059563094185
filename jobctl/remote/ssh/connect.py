"""The chain of hops: one fabric Connection each, each checked against known_hosts before anything is said to it."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from subprocess import Popen
from typing import Any

import fabric
import paramiko

from jobctl.errors import ConnectError
from jobctl.remote.ssh.auth import Credentials, Login, Way
from jobctl.remote.ssh.config import Hop
from jobctl.remote.ssh.dial import dial, dial_command
from jobctl.remote.ssh.doors import knocking
from jobctl.remote.ssh.failures import explain_dial, explain_handshake, explain_jump, is_drop
from jobctl.remote.ssh.hostkeys import HostKey, known_kinds
from jobctl.remote.ssh.session import Session
from jobctl.remote.ssh.settings import Prompts, SshSettings, Tuning
from jobctl.remote.ssh.trust import read_known_hosts, verify_host_key


class Chain:
    """The open connections of a way, outermost first. `session` is the one to the host itself."""

    def __init__(self, hops: Sequence[Hop]) -> None:
        self.hops = tuple(hops)
        self.sessions: list[Session] = []
        self.ways: list[Way | None] = []
        self.was_typed = False
        """Somebody typed a secret: nobody is to be asked for it again."""
        self._connections: list[fabric.Connection] = []
        self._commands: list[Popen[bytes]] = []

    @property
    def session(self) -> Session:
        return self.sessions[-1]

    def add(self, connection: fabric.Connection, command: Popen[bytes] | None, login: Login) -> None:
        self._connections.append(connection)
        self.sessions.append(connection.transport)
        self.ways.append(login.way)
        self.was_typed = self.was_typed or login.was_typed
        self._commands += [command] if command else []

    @property
    def host_keys(self) -> list[HostKey]:
        """The keys that the hops have shown, all of them checked."""
        shown = [session.get_remote_server_key() for session in self.sessions]
        return [HostKey(key.get_name(), key.asbytes()) for key in shown]

    def close(self) -> None:
        """Innermost first. Safe to call twice and from another thread; whoever reads is woken."""
        for connection in reversed(self._connections):
            with suppress(OSError, EOFError, paramiko.SSHException):
                connection.client.close()
        for command in self._commands:
            command.terminate()


def connect(settings: SshSettings, hops: Sequence[Hop], prompts: Prompts | None, tuning: Tuning) -> Chain:
    """Connect through all hops. Raises ConnectError, UnknownHostKey, ChangedHostKey or AuthError, nothing left open."""
    chain = Chain(hops)
    try:
        for hop in hops:
            credentials = Credentials.of(settings, prompts, last_hop=hop is hops[-1])
            _add_hop(chain, hop, credentials, tuning)
    except BaseException:
        chain.close()
        raise
    chain.session.watch()
    return chain


def _add_hop(chain: Chain, hop: Hop, credentials: Credentials, tuning: Tuning) -> None:
    """One hop, tried again when the server drops us before the login: sshd does so by chance when many come at once."""
    for attempt in range(tuning.attempts):
        try:
            with knocking(f"{hop.host}:{hop.port}", hop.connect_timeout_s):
                return _try_hop(chain, hop, credentials, tuning)
        except _Dropped as drop:
            if attempt + 1 == tuning.attempts:
                raise drop.error from None
            time.sleep(tuning.first_pause_s * 2**attempt * random.uniform(0.5, 1.5))  # jitter
    return None


class _Dropped(Exception):
    def __init__(self, error: ConnectError) -> None:
        super().__init__()
        self.error = error


def _try_hop(chain: Chain, hop: Hop, credentials: Credentials, tuning: Tuning) -> None:
    via = chain.hops[len(chain.sessions) - 1] if chain.sessions else None
    login = Login(hop, credentials)
    sock, command = _open_socket(chain, hop, via, tuning)
    connection = _make_connection(hop, login, sock, tuning)
    start = time.monotonic()
    try:
        connection.open()
    except BaseException as error:
        greeting = _discard(connection, sock, command)
        if not isinstance(error, paramiko.SSHException | EOFError | OSError):
            raise
        slow = time.monotonic() - start >= hop.connect_timeout_s
        failure = explain_handshake(error, hop, via, greeting, slow=slow)
        if not login.started and not slow and is_drop(error, greeting):
            raise _Dropped(failure) from None
        raise failure from None
    chain.add(connection, command, login)


def _open_socket(
    chain: Chain, hop: Hop, via: Hop | None, tuning: Tuning
) -> tuple[socket.socket | paramiko.Channel, Popen[bytes] | None]:
    if via is not None:
        try:
            target = (hop.host, hop.port)
            return chain.session.open_channel("direct-tcpip", target, ("", 0), timeout=hop.connect_timeout_s), None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise explain_jump(error, hop, via) from None
    try:
        if hop.proxy_command:
            return dial_command(hop.proxy_command)
        return dial(hop.host, hop.port, hop.connect_timeout_s, tuning.dead_after_s, hop.address_family), None
    except (OSError, UnicodeError) as error:
        raise explain_dial(error if isinstance(error, OSError) else OSError(str(error)), hop) from None


class _KnownHostsOnly(paramiko.MissingHostKeyPolicy):
    """fabric adds every unknown key (3.2); its client is given no keys, so that each one comes here."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        verify_host_key(self._hop, HostKey(key.get_name(), key.asbytes()))


def _make_connection(
    hop: Hop, login: Login, sock: socket.socket | paramiko.Channel, tuning: Tuning
) -> fabric.Connection:
    kinds = known_kinds(read_known_hosts(hop), hop.host_key_names)

    def make_session(sock: Any, **_: Any) -> Session:
        session = Session(sock, tuning, kinds)
        session.handshake_timeout = hop.connect_timeout_s
        return session

    # No file of fabric's own is read: ~/.fabric.yaml must not change where a job goes.
    config = fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig(), overrides={"load_ssh_configs": False})
    connection = fabric.Connection(
        hop.host,
        user=hop.user,
        port=hop.port,
        config=config,
        gateway=False,
        forward_agent=False,
        connect_timeout=hop.connect_timeout_s,
        connect_kwargs={
            "sock": sock,
            "transport_factory": make_session,
            "auth_strategy": login,
            "banner_timeout": hop.connect_timeout_s,
            "channel_timeout": tuning.session_timeout_s,
        },
    )
    connection.client.set_missing_host_key_policy(_KnownHostsOnly(hop))
    return connection


def _discard(
    connection: fabric.Connection, sock: socket.socket | paramiko.Channel, command: Popen[bytes] | None
) -> str:
    """Close what was begun. Returns what the server said in place of an SSH version."""
    session = connection.client.get_transport()
    for thing in (connection.client, sock):
        with suppress(OSError, EOFError, paramiko.SSHException):
            thing.close()
    if command:
        command.terminate()
    return session.greeting if session else ""
