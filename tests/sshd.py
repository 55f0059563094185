"""A real OpenSSH server on 127.0.0.1: own host key, own configuration, own HOME for whoever logs in, no root needed.

    with running_sshd(tmp_path) as sshd:
        transport = make_ssh_transport(sshd.host())
        inventory.write_text(sshd.inventory("box", work_dir="~/jobctl"))

The login is the user who runs the tests, by a key of its own; HOME is `sshd.home`, an empty folder (by `SetEnv`;
commands still start in the account's own home). Several servers may run at once, for chains of jump hosts.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from jobctl.remote.ssh import SshSettings

START_TIMEOUT_S = 20.0


class Sshd:
    """One server. `options` are lines of sshd_config that come first, so that they win. `user`: another one to log in.

    `prefix`: what goes before its command line, such as a way into a namespace, where it has `address`.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        host_key: str = "ed25519",
        user: str | None = None,
        prefix: Sequence[str] = (),
        address: str = "127.0.0.1",
    ) -> None:
        self.program = find_sshd()
        self.folder = folder
        self.options = tuple(options)
        self.user = user or getpass.getuser()
        self._prefix = list(prefix)
        self.address = address
        self.port = free_port()
        self.home = folder / "home"
        self.identity = folder / "client_key"
        self.host_key = folder / f"host_key_{host_key}"
        self.known_hosts = folder / "known_hosts"
        self.ssh_config = folder / "ssh_config"
        self.log = folder / "sshd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.home.mkdir(parents=True)
        make_key(self.identity)
        make_key(self.host_key, host_key)
        (folder / "authorized_keys").write_bytes(Path(f"{self.identity}.pub").read_bytes())
        self.ssh_config.write_text("")
        self.trust()

    @property
    def name_in_known_hosts(self) -> str:
        return f"[{self.address}]:{self.port}"

    @property
    def public_host_key(self) -> str:
        """Type and base64."""
        return " ".join(Path(f"{self.host_key}.pub").read_text().split()[:2])

    def trust(self) -> None:
        """Write the right host key into `known_hosts`."""
        self.known_hosts.write_text(f"{self.name_in_known_hosts} {self.public_host_key}\n")

    def host(self, **fields: object) -> SshSettings:
        """How to reach it; nothing of the tester's own ~/.ssh is used."""
        settings = SshSettings(
            name="box",
            address=self.address,
            port=self.port,
            user=self.user,
            identity_file=str(self.identity),
            known_hosts=str(self.known_hosts),
            ssh_config=str(self.ssh_config),
            connect_timeout_s=10.0,
        )
        return replace(settings, **fields)  # type: ignore[arg-type]

    def inventory(self, name: str = "box", **fields: object) -> str:
        """An inventory with this host; `fields` are further fields of it."""
        settings = self.host()
        known = ("address", "port", "user", "identity_file", "known_hosts", "ssh_config", "connect_timeout_s")
        entry = {field: getattr(settings, field) for field in known} | fields
        return json.dumps({"hosts": {name: entry}})  # JSON is YAML

    def config_block(self, alias: str, *more: str) -> str:
        """A `Host` block of ssh_config for this server."""
        lines = (
            f'HostName {self.address}\nPort {self.port}\nUser {self.user}\nIdentityFile "{self.identity}"\n'
            f'UserKnownHostsFile "{self.known_hosts}"\nGlobalKnownHostsFile none\n'
        )
        return f"Host {alias}\n{lines}" + "".join(f"{line}\n" for line in more)

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)  # sshd insists on it, for root only
        config = self.folder / "sshd_config"
        config.write_text("\n".join([*self.options, *self._config()]) + "\n")
        self.log.write_text("")
        argv = [*self._prefix, self.program, "-D", "-f", str(config), "-E", str(self.log)]
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        end = time.monotonic() + START_TIMEOUT_S
        while "Server listening" not in self.log.read_text():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"sshd did not start:\n{self.log.read_text()}\n{config.read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """The server and every session of it, at once."""
        if self._process is None:
            return
        processes = self.processes()
        self._process.kill()
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def processes(self) -> list[int]:
        """The server's children and their children: sessions and what runs in them."""
        assert self._process is not None
        parents: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        found, wanted = [], {self._process.pid}
        while wanted:
            wanted = {pid for pid, parent in parents.items() if parent in wanted}
            found += sorted(wanted)
        return found

    def freeze(self) -> None:
        """Everything stops to run while its sockets stay open, as on a host that hangs."""
        assert self._process is not None
        for pid in (self._process.pid, *self.processes()):
            os.kill(pid, signal.SIGSTOP)

    def _config(self) -> list[str]:
        return [
            f"ListenAddress {self.address}",
            f"Port {self.port}",
            f'HostKey "{self.host_key}"',
            f'AuthorizedKeysFile "{self.folder / "authorized_keys"}"',
            f'SetEnv "HOME={self.home}"',
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "UseDNS no",
            "PrintMotd no",
            "LogLevel VERBOSE",
        ]


def find_sshd() -> str:
    """OpenSSH's server. Tests are not skipped for the want of it: they fail and say how to get it."""
    found = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise AssertionError("the tests need OpenSSH's server: sudo apt-get install -y openssh-server openssh-client")
    return found


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> None:
    strength = ["-b", "2048"] if kind == "rsa" else []
    argv = ["ssh-keygen", "-q", "-t", kind, *strength, "-a", "1", "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running_sshd(
    folder: Path,
    options: Sequence[str] = (),
    host_key: str = "ed25519",
    user: str | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[Sshd]:
    """A server that is stopped at the end, with all its sessions."""
    server = Sshd(folder, options, host_key, user, prefix)
    server.start()
    try:
        yield server
    finally:
        server.stop()
