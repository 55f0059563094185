"""An SSH server that takes passwords, by asyncssh: OpenSSH takes those of the system's accounts, and tests make none.

It runs no commands: whoever gets in is told `welcome` and exit code 0.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from jobctl.remote.ssh import SshSettings
from jobctl.remote.ssh.command import START


@dataclass
class PasswordServer:
    """`methods` of `password` and `keyboard-interactive`; with `code`, the latter also asks for a one-time code."""

    folder: Path
    methods: Sequence[str] = ("password",)
    password: str = "it's $(secret) 中文"
    code: str | None = None
    port: int = 0
    seen: list[str] = field(default_factory=list)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)

    def host(self, **fields: object) -> SshSettings:
        config = self.folder / "config"
        config.write_text("IdentityFile none\nIdentityAgent none\n")
        known: dict[str, object] = {"known_hosts": str(self.folder / "known_hosts"), "ssh_config": str(config)}
        return SshSettings("box", "127.0.0.1", self.port, "alice", **known | fields)  # type: ignore[arg-type]


class _Login(asyncssh.SSHServer):
    def __init__(self, server: PasswordServer) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return "password" in self._server.methods

    def validate_password(self, username: str, password: str) -> bool:
        self._server.seen.append(password)
        return password == self._server.password

    def kbdint_auth_supported(self) -> bool:
        return "keyboard-interactive" in self._server.methods

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        prompts = [("Password: ", False)]
        return "", "", "", prompts if self._server.code is None else [*prompts, ("One-time code: ", True)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        self._server.seen += responses
        return list(responses) == [self._server.password] + ([] if self._server.code is None else [self._server.code])


async def _welcome(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(START + b"welcome")
    process.exit(0)


@contextmanager
def running_password_server(server: PasswordServer) -> Iterator[PasswordServer]:
    """The server in a thread with a loop of its own; its key is in the folder's known_hosts."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    acceptor = loop.run_until_complete(
        asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Login(server),
            server_host_keys=[key],
            process_factory=_welcome,
            encoding=None,
        )
    )
    server.port = acceptor.get_port()
    line = key.export_public_key().decode().strip()
    (server.folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {line}\n")
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_end(acceptor, server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(acceptor: asyncssh.SSHAcceptor, server: PasswordServer) -> None:
    acceptor.close()
    await acceptor.wait_closed()
    for connection in server.connections:
        connection.abort()
        await connection.wait_closed()
    await asyncio.sleep(0.01)  # the loop closes their sockets in its next round
