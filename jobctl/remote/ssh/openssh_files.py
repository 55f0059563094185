"""What OpenSSH's own client is told, so that it goes the way that ours has gone, and trusts whom we checked. PURE.

It reads none of the user's configuration: each hop becomes a `Host` of a file of our own, with the one host key that
the hop has shown us (which `trust` checked) and the one key of ours that was accepted. Files with any name are reached
by links with plain names, because ssh_config has rules of its own for quotes, `%` and `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobctl.remote.ssh.auth import Way
from jobctl.remote.ssh.config import Hop
from jobctl.remote.ssh.hostkeys import HostKey, make_known_hosts_line
from jobctl.remote.ssh.settings import Tuning

CONFIG, TARGET = "config", "target"
"""The configuration's file, and the name of the host itself in it."""

_PLAIN_HOST = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:%-]*")
_PLAIN_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+-]*")
_PLAIN_FOLDER = re.compile(r"[A-Za-z0-9_./-]+")


class NotForOpenssh(Exception):
    """This way cannot be gone by OpenSSH's client without a secret, or not be written down for it."""


@dataclass(frozen=True)
class Step:
    """A hop, the host key it has shown, how it let us in (None: with a secret), and the agent's socket, if any."""

    hop: Hop
    host_key: HostKey
    way: Way | None
    agent_socket: str | None


@dataclass(frozen=True)
class OpensshFiles:
    """Below one folder: file name -> text, and link name -> where it leads."""

    texts: Mapping[str, str]
    links: Mapping[str, str]


def make_openssh_files(steps: Sequence[Step], folder: str, tuning: Tuning) -> OpensshFiles:
    """Everything for `ssh -F FOLDER/config target`. Raises NotForOpenssh."""
    if not _PLAIN_FOLDER.fullmatch(folder):
        raise NotForOpenssh(f"the temporary folder has a name that ssh_config cannot hold: {folder!r}")
    texts: dict[str, str] = {}
    links: dict[str, str] = {}
    blocks = []
    for number, step in enumerate(steps):
        names = [f"hop{at}" for at in range(len(steps) - 1)] + [TARGET]
        lines = _host_lines(step, names[number], folder)
        lines += _identity_lines(step, names[number], folder, texts, links)
        if number:
            lines.append(f"ProxyJump {names[number - 1]}")
        elif step.hop.proxy_command:
            lines.append(f"ProxyCommand {step.hop.proxy_command.replace('%', '%%')}")
        blocks.append("\n  ".join([f"Host {names[number]}", *lines]))
        texts[f"known_{names[number]}"] = make_known_hosts_line(names[number], step.host_key) + "\n"
    blocks.append("\n  ".join(["Host *", *_common_lines(tuning)]))
    texts[CONFIG] = "\n".join(blocks) + "\n"
    return OpensshFiles(texts, links)


def _host_lines(step: Step, name: str, folder: str) -> list[str]:
    hop, kind = step.hop, step.host_key.kind
    if not _PLAIN_HOST.fullmatch(hop.host) or not _PLAIN_USER.fullmatch(hop.user):
        raise NotForOpenssh(f"not a plain name: {hop.label}")
    return [
        f"HostName {hop.host.replace('%', '%%')}",
        f"Port {hop.port}",
        f"User {hop.user}",
        f"HostKeyAlias {name}",
        f"HostKeyAlgorithms {'rsa-sha2-512,rsa-sha2-256' if kind == 'ssh-rsa' else kind}",
        f"UserKnownHostsFile {folder}/known_{name}",
        f"AddressFamily {hop.address_family}",
        f"ConnectTimeout {max(1, round(hop.connect_timeout_s))}",
    ]


def _identity_lines(step: Step, name: str, folder: str, texts: dict[str, str], links: dict[str, str]) -> list[str]:
    way = step.way
    if way is None:
        raise NotForOpenssh(f"{step.hop.label} let us in by a secret")
    if way.identity_file is not None:
        links[f"key_{name}"] = str(way.identity_file)
        links[f"key_{name}-cert.pub"] = f"{way.identity_file}-cert.pub"
        return [f"IdentityFile {folder}/key_{name}", "IdentitiesOnly yes", "IdentityAgent none"]
    if way.agent_key is None:
        return ["IdentityFile none", "IdentityAgent none"]
    if step.agent_socket is None:
        raise NotForOpenssh("the agent is gone")
    links[f"agent_{name}"] = step.agent_socket
    texts[f"key_{name}.pub"] = way.agent_key + "\n"
    return [f"IdentityFile {folder}/key_{name}.pub", "IdentitiesOnly yes", f"IdentityAgent {folder}/agent_{name}"]


def _common_lines(tuning: Tuning) -> list[str]:
    """`Ciphers ^`: the cheapest that is safe comes first; a host without it gets what it has."""
    beats = max(1, round(tuning.ping_after_s))
    return [
        "StrictHostKeyChecking yes",
        "GlobalKnownHostsFile none",
        "UpdateHostKeys no",
        "VerifyHostKeyDNS no",
        "CheckHostIP no",
        "BatchMode yes",
        "PreferredAuthentications publickey",
        "ClearAllForwardings yes",
        "ForwardAgent no",
        "ForwardX11 no",
        "PermitLocalCommand no",
        "ControlMaster no",
        "ControlPath none",
        "Compression no",
        "EscapeChar none",
        "RequestTTY no",
        "TCPKeepAlive yes",
        f"ServerAliveInterval {beats}",
        f"ServerAliveCountMax {max(1, round(tuning.dead_after_s / beats))}",
        "Ciphers ^aes128-gcm@openssh.com",
    ]
