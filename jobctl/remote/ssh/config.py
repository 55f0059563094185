"""An alias of ~/.ssh/config -> the hops that lead to it. PURE: a `Lookup` tells what the configuration says.

The order is OpenSSH's (ssh.c, 9.2): `ProxyJump a,b` on a target means "through b, which is reached through a"; b's own
ProxyJump counts only when nothing stands before it in the list, and a's always does. Jump hosts may have jump hosts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from jobctl.errors import ConfigError
from jobctl.remote.ssh.settings import SshSettings

Options = Mapping[str, Sequence[str]]
"""ssh_config keywords in lower case -> their values in order, as `ssh -G` prints them (one string a line)."""


@dataclass(frozen=True)
class Target:
    """Somebody to connect to, as ssh's command line names it."""

    host: str
    user: str | None = None
    port: int | None = None


Lookup = Callable[[Target], Options]


@dataclass(frozen=True)
class Hop:
    """One SSH server on the way, with everything that is needed to connect to it."""

    name: str
    """As the user wrote it."""
    host: str
    port: int
    user: str
    host_key_alias: str | None = None
    known_hosts: tuple[str, ...] = ()
    """Files; a new key belongs into the first."""
    global_known_hosts: tuple[str, ...] = ()
    identity_files: tuple[str, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = None
    """A socket, `none`, or None: SSH_AUTH_SOCK."""
    connect_timeout_s: float = 15.0
    proxy_command: str | None = None
    address_family: str = "any"

    @property
    def label(self) -> str:
        """For messages: `alice@10.0.0.5:22`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}"

    @property
    def host_key_names(self) -> tuple[str, ...]:
        """The names under which known_hosts may hold the key: the exact one first (sshconnect.c, check_host_key)."""
        if self.host_key_alias:
            return (self.host_key_alias,)
        return (self.host,) if self.port == 22 else (f"[{self.host}]:{self.port}", self.host)


def resolve_hops(settings: SshSettings, lookup: Lookup) -> tuple[Hop, ...]:
    """The hops in the order in which they are connected; the last one is the host itself.

    Raises ConfigError for a ProxyJump that cannot be read or leads back to itself.
    """
    target = Target(settings.address, settings.user, settings.port)
    *jumps, last = _chain(target, settings.proxy_jump, settings, lookup, ())
    own_files = (settings.known_hosts,) if settings.known_hosts else ()
    own_keys = (settings.identity_file,) if settings.identity_file else ()
    timeout_s = settings.connect_timeout_s
    hops = [
        replace(hop, known_hosts=own_files + hop.known_hosts, identity_files=hop.identity_files + own_keys)
        for hop in jumps
    ]
    hops.append(replace(last, known_hosts=own_files or last.known_hosts, identity_files=own_keys + last.identity_files))
    return tuple(replace(hop, connect_timeout_s=timeout_s) if timeout_s else hop for hop in hops)


def _chain(
    target: Target, jumps: str | None, settings: SshSettings, lookup: Lookup, seen: tuple[str, ...]
) -> tuple[Hop, ...]:
    options = lookup(target)
    hop = _make_hop(target, options)
    if hop.label in seen:
        raise ConfigError(
            "ProxyJump leads in a circle",
            where=f"host {settings.name}",
            value=" <- ".join((*seen, hop.label)),
            hint="give the jump host `ProxyJump none` in ~/.ssh/config, before the line that matches every host",
        )
    if jumps is None:
        jumps = _first(options, "proxyjump")
    elif jumps == "none":
        return (replace(hop, proxy_command=None),)
    if jumps is None or jumps == "none":
        return (hop,)
    *before, nearest = parse_jumps(jumps, settings.name)
    rest = ",".join(before) or None
    way = _chain(parse_target(nearest, settings.name), rest, settings, lookup, (*seen, hop.label))
    return (*way, replace(hop, proxy_command=None))


def parse_jumps(text: str, host_name: str) -> list[str]:
    """`user@a:22,b` -> ["user@a:22", "b"]. Raises ConfigError for an empty entry."""
    jumps = [jump.strip() for jump in text.split(",")]
    if not all(jumps):
        raise ConfigError("a jump host without a name", where=f"host {host_name}", value=text)
    return jumps


_TARGET = re.compile(r"(?:ssh://)?(?:(?P<user>.+)@)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^@\[\]/:]+))(?::(?P<port>\d+))?/?")


def parse_target(text: str, host_name: str = "") -> Target:
    """`[ssh://][user@]host[:port]` with IPv6 in brackets, or bare when it has no port. Raises ConfigError."""
    bare_v6 = re.fullmatch(r"(?:(?P<user>[^@]+)@)?(?P<host>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*)", text)
    if bare_v6:
        return Target(bare_v6["host"], bare_v6["user"])
    match = _TARGET.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else None
    if match is None or (port is not None and not 0 < port < 65536) or text.startswith("-"):
        raise ConfigError(
            "not a jump host",
            where=f"host {host_name}",
            value=text,
            hint="write it as user@host:port, IPv6 in brackets",
        )
    return Target(match["v6"] or match["host"], match["user"], port)


def _make_hop(target: Target, options: Options) -> Hop:
    host = _first(options, "hostname") or target.host
    port = target.port or int(_first(options, "port") or 22)
    user = target.user or _first(options, "user") or ""
    alias = _first(options, "hostkeyalias")
    tokens = {"%": "%", "h": host, "n": target.host, "p": str(port), "r": user, "k": alias or target.host}
    command = _first(options, "proxycommand")
    timeout = _first(options, "connecttimeout") or ""
    agent = _first(options, "identityagent")
    return Hop(
        name=target.host,
        host=host,
        port=port,
        user=user,
        host_key_alias=alias,
        known_hosts=_files(options, "userknownhostsfile", tokens),
        global_known_hosts=_files(options, "globalknownhostsfile", tokens),
        identity_files=tuple(_expand(path, tokens) for path in options.get("identityfile", ()) if path != "none"),
        identities_only=_first(options, "identitiesonly") == "yes",
        identity_agent=_expand(agent, tokens) if agent and agent != "SSH_AUTH_SOCK" else None,
        connect_timeout_s=float(timeout) if timeout.isdigit() and int(timeout) else 15.0,
        proxy_command=_expand(command, tokens) if command and command != "none" else None,
        address_family=_first(options, "addressfamily") or "any",
    )


def _first(options: Options, keyword: str) -> str | None:
    values = options.get(keyword)
    return values[0] if values else None


def _files(options: Options, keyword: str, tokens: Mapping[str, str]) -> tuple[str, ...]:
    """`ssh -G` prints several files on one line, unquoted (9.2): a new one starts at a space and `/` or `~`."""
    line = _first(options, keyword) or ""
    return tuple(_expand(path, tokens) for path in re.split(r"\s+(?=[/~%])", line) if path and path != "none")


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    """OpenSSH's %-tokens (ssh_config(5), TOKENS); those that we do not know stay."""
    return re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)
