"""What an SSH connection is made from: the inventory's fields, who may be asked for a secret, and the clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class InventoryHost(Protocol):
    """The fields of an inventory host that SSH reads (ARCHITECTURE.md, "Inventory")."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def identity_file(self) -> str | None: ...
    @property
    def proxy_jump(self) -> str | None: ...
    @property
    def known_hosts(self) -> str | None: ...
    @property
    def ssh_config(self) -> str | None: ...
    @property
    def password_env(self) -> str | None: ...
    @property
    def password_file(self) -> str | None: ...
    @property
    def passphrase_env(self) -> str | None: ...
    @property
    def connect_timeout_s(self) -> float | None: ...


class Prompts(Protocol):
    """Somebody who can be asked, such as a person at a terminal."""

    def ask_secret(self, question: str) -> str | None:
        """The answer, typed without an echo; None when the person declines."""


@dataclass(frozen=True)
class SshSettings:
    """How to reach one host. None means: as ~/.ssh/config says."""

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    identity_file: str | None = None
    proxy_jump: str | None = None
    known_hosts: str | None = None
    ssh_config: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    passphrase_env: str | None = None
    connect_timeout_s: float | None = None

    @classmethod
    def of(cls, host: InventoryHost) -> SshSettings:
        """From an inventory's host."""
        return cls(
            name=host.name,
            address=host.address or host.name,
            port=host.port,
            user=host.user,
            identity_file=host.identity_file,
            proxy_jump=host.proxy_jump,
            known_hosts=host.known_hosts,
            ssh_config=host.ssh_config,
            password_env=host.password_env,
            password_file=host.password_file,
            passphrase_env=host.passphrase_env,
            connect_timeout_s=host.connect_timeout_s,
        )


@dataclass(frozen=True)
class Tuning:
    """Clocks and counts of a connection. The defaults notice a dead peer within 25 s, whatever died."""

    ping_after_s: float = 5.0
    """Nothing heard for so long: ask the peer for a sign of life."""
    dead_after_s: float = 20.0
    """Nothing heard for so long, pings included: the peer is gone."""
    attempts: int = 4
    """Tries to connect to a server that drops us before the key exchange is done (sshd's MaxStartups)."""
    first_pause_s: float = 0.3
    """Pause before the second try; doubled each time, with jitter."""
    session_timeout_s: float = 30.0
    """To open a channel on a connection that is there."""
    rekey_bytes: int = 2**30
    """Traffic after which new keys are negotiated (RFC 4253, section 9: a gigabyte)."""
