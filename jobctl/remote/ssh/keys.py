"""Keys that may open the door: identity files and the agent."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.agent import AgentSSH


class LockedKey(Exception):
    """The identity file needs a passphrase, or another one."""


def load_key(path: Path, passphrase: str | None = None) -> paramiko.PKey:
    """The private key of an identity file, with the certificate beside it (`PATH-cert.pub`) when there is one.

    Raises LockedKey, OSError, or SSHException when it is no key that paramiko knows (ed25519, ECDSA, RSA).
    """
    key = _load(path, passphrase)
    certificate = Path(f"{path}-cert.pub")
    if certificate.is_file():
        key.load_certificate(str(certificate))
    return key


def needs_passphrase(path: Path) -> bool:
    """Whether the identity file opens only with a secret."""
    try:
        _load(path, None)
    except LockedKey:
        return True
    return False


def _load(path: Path, passphrase: str | None) -> paramiko.PKey:
    failure: Exception = paramiko.SSHException("not a private key")
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key_file(str(path), passphrase)
        except paramiko.PasswordRequiredException:
            raise LockedKey("it needs a passphrase") from None
        except (paramiko.SSHException, ValueError, TypeError, IndexError) as error:
            # A wrong passphrase, or a key of another kind: which one, paramiko does not say.
            failure = error
    if passphrase is not None:
        raise LockedKey("the passphrase does not open it")
    raise paramiko.SSHException("not a private key that can be used") from failure


def read_public_blob(path: Path) -> bytes | None:
    """The public half that stands beside an identity file, or that is the file itself; None when there is none."""
    for file in (Path(f"{path}.pub"), path):
        try:
            words = file.read_text(encoding="utf-8", errors="replace").split()
            return base64.b64decode(words[1], validate=True)
        except (OSError, IndexError, ValueError):
            continue
    return None


class _Agent(AgentSSH):
    """paramiko's agent client on a socket of our choice; its own knows SSH_AUTH_SOCK only."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._connect(sock)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]


def find_agent(identity_agent: str | None) -> str | None:
    """The agent's socket; None without one. `identity_agent` is ssh_config's: a path, `$VARIABLE`, `none`, or None for
    SSH_AUTH_SOCK.
    """
    path = os.environ.get("SSH_AUTH_SOCK") if identity_agent is None else os.path.expandvars(identity_agent)
    return str(Path(path).expanduser()) if path and path != "none" else None


@contextmanager
def agent_keys(identity_agent: str | None) -> Iterator[tuple[paramiko.PKey, ...]]:
    """The keys that the agent holds: none without an agent, or with one that does not answer."""
    path = find_agent(identity_agent)
    if path is None:
        yield ()
        return
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(30.0)
        sock.connect(path)
        agent = _Agent(sock)
    except (OSError, paramiko.SSHException):
        sock.close()
        yield ()
        return
    try:
        yield agent.get_keys()
    finally:
        agent.close()
