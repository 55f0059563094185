"""An SSH host of one's own, on 127.0.0.1: for a laptop that has no other, without root and without OpenSSH's server.

    python -m jobctl.demo.ssh_host --root DIR

prints one line of JSON when it is ready (`SshHost` with its fields) and runs until its standard input ends, so that it
is gone with the process that started it. Keys are made anew for each start and stay below DIR. Commands run as the
current user with HOME set to DIR/home, in a new environment as sshd would give them.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncssh

_PIECE_BYTES = 1 << 16
_KEPT = ("LANG", "LANGUAGE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_KEPT_PREFIXES = ("LC_", "PIP_")


@dataclass(frozen=True)
class SshHost:
    """How to reach it; the fields are named as in an inventory."""

    address: str
    port: int
    user: str
    identity_file: str
    known_hosts: str
    home: str


def make_login_environment(outer: Mapping[str, str], home: Path) -> dict[str, str]:
    """What a command finds in its environment: a login's variables, and of ours only what decides how packages come.

    `outer` is the environment of the server. pip's settings and cache stay those of the user, though HOME is another.
    """
    kept = {
        name: value
        for name, value in outer.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES) or name.lower().endswith("_proxy")
    }
    user_home = Path(outer.get("HOME", "/"))
    kept.setdefault("PIP_CACHE_DIR", str(Path(outer.get("XDG_CACHE_HOME", user_home / ".cache")) / "pip"))
    for settings in (user_home / ".config" / "pip" / "pip.conf", user_home / ".pip" / "pip.conf"):
        if settings.is_file():
            kept.setdefault("PIP_CONFIG_FILE", str(settings))
    user = getpass.getuser()
    return {**kept, "HOME": str(home), "USER": user, "LOGNAME": user, "SHELL": "/bin/sh", "PATH": _host_path(outer)}


def _host_path(outer: Mapping[str, str]) -> str:
    """PATH without the virtual environment that we run in: the host has a Python of its own."""
    ours = {str(Path(sys.prefix) / "bin"), str(Path(outer.get("VIRTUAL_ENV", sys.prefix)) / "bin")}
    entries = outer.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if entry not in ours)


@dataclass(frozen=True)
class _Output:
    """A pipe that a process writes into. Ours to close: its next write then fails, as it does under sshd."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport
    write_end: int

    @staticmethod
    async def open() -> _Output:
        read_end, write_end = os.pipe()
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
        )
        return _Output(reader, transport, write_end)

    async def copy_to(self, sink: asyncssh.SSHWriter[bytes]) -> None:
        """Until its end, or until nobody takes it any more."""
        try:
            while data := await self.reader.read(_PIECE_BYTES):
                sink.write(data)
                await sink.drain()
        except (OSError, asyncssh.Error):
            return  # the client is gone
        finally:
            self.transport.close()


async def _run_command(channel: asyncssh.SSHServerProcess[bytes], home: Path) -> None:
    """One exec channel, from the request to the exit status. The command is the shell's to read, as with sshd."""
    stdout, stderr = await _Output.open(), await _Output.open()
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        *(() if channel.command is None else ("-c", channel.command)),
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout.write_end,
        stderr=stderr.write_end,
        cwd=home,
        env=make_login_environment(os.environ, home),
        start_new_session=True,
    )
    os.close(stdout.write_end)
    os.close(stderr.write_end)
    feeding = asyncio.create_task(_feed(channel, process))
    await asyncio.gather(stdout.copy_to(channel.stdout), stderr.copy_to(channel.stderr))
    exit_code = await process.wait()
    feeding.cancel()
    if exit_code < 0:
        channel.exit_with_signal(signal.Signals(-exit_code).name.removeprefix("SIG"))
    else:
        channel.exit(exit_code)


async def _feed(channel: asyncssh.SSHServerProcess[bytes], process: asyncio.subprocess.Process) -> None:
    """Standard input and signals, until the client has no more to say (half close) or is gone."""
    assert process.stdin is not None
    try:
        while True:
            try:
                data = await channel.stdin.read(_PIECE_BYTES)
                if not data:
                    return
                process.stdin.write(data)
                await process.stdin.drain()
            except asyncssh.SignalReceived as received:
                process.send_signal(signal.Signals["SIG" + received.signal])
            except (asyncssh.BreakReceived, asyncssh.TerminalSizeChanged):
                continue
    except (OSError, asyncssh.Error, KeyError):
        return  # the process has closed its input, the connection is lost, or a signal that this system has not
    finally:
        process.stdin.close()


async def serve(root: Path) -> None:
    """Make keys, listen on a free port, say where, and go on until standard input ends."""
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    home = root / "home"
    home.mkdir(exist_ok=True)
    host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))

    async def handle(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        await _run_command(channel, home)

    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(user_key.export_public_key().decode()),
        password_auth=False,
        kbdint_auth=False,
        process_factory=handle,
        encoding=None,
    )
    host = _describe(root, listener.get_port(), host_key, user_key)
    sys.stdout.write(json.dumps(asdict(host)) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    listener.close()


def _describe(root: Path, port: int, host_key: asyncssh.SSHKey, user_key: asyncssh.SSHKey) -> SshHost:
    """Write what a client needs: the private key, for this user's eyes only, and the host's key pinned to its port."""
    identity, known_hosts = root / "id_ed25519", root / "known_hosts"
    identity.unlink(missing_ok=True)
    identity.touch(mode=0o600)
    user_key.write_private_key(identity)
    public = host_key.export_public_key().decode().split()[:2]
    known_hosts.write_text(f"[127.0.0.1]:{port} {' '.join(public)}\n")
    return SshHost("127.0.0.1", port, getpass.getuser(), str(identity), str(known_hosts), str(root / "home"))


def main() -> None:
    """Serve below --root."""
    parser = argparse.ArgumentParser(prog="python -m jobctl.demo.ssh_host", description="An SSH host on 127.0.0.1.")
    parser.add_argument("--root", type=Path, required=True, help="folder for its keys and its home")
    asyncio.run(serve(parser.parse_args().root.absolute()))


if __name__ == "__main__":
    main()
