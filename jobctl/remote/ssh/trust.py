"""Host keys are checked, on every hop, always: who is not in known_hosts is refused, with the next step.

Nothing here ever writes: a key is added by the person who compared its fingerprint, with the command that we print.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from jobctl.errors import ChangedHostKey, HostError, UnknownHostKey
from jobctl.remote.ssh.config import Hop
from jobctl.remote.ssh.hostkeys import HostKey, KnownHost, Verdict, judge, make_known_hosts_line, parse_known_hosts

_PUBLIC_KEY_FILES = {
    "ssh-ed25519": "ssh_host_ed25519_key.pub",
    "ssh-rsa": "ssh_host_rsa_key.pub",
    "ecdsa-sha2-nistp256": "ssh_host_ecdsa_key.pub",
    "ecdsa-sha2-nistp384": "ssh_host_ecdsa_key.pub",
    "ecdsa-sha2-nistp521": "ssh_host_ecdsa_key.pub",
}


def read_known_hosts(hop: Hop) -> list[KnownHost]:
    """All lines of the hop's files. A file that is not there holds none; one that cannot be read raises HostError."""
    lines: list[KnownHost] = []
    for file in (*hop.known_hosts, *hop.global_known_hosts):
        path = Path(file).expanduser()
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise HostError("known_hosts cannot be read", where=str(path), value=error.strerror) from None
        lines += parse_known_hosts(text, str(path))
    return lines


def verify_host_key(hop: Hop, key: HostKey) -> None:
    """Returns when `key` is known for the hop. Raises UnknownHostKey or ChangedHostKey."""
    lines = read_known_hosts(hop)
    verdict = judge(lines, hop.host_key_names, key)
    if verdict.word == "unknown":
        raise _unknown(hop, key, lines)
    if verdict.word != "known":
        raise _changed(hop, key, verdict)


def _unknown(hop: Hop, key: HostKey, lines: Iterable[KnownHost]) -> HostError:
    name = hop.host_key_names[0]
    file = _pub_file(key)
    hint = f"compare the fingerprint with what the host says: `ssh-keygen -lf {file}` on its console, or ask its admin"
    if any(line.marker == "cert-authority" and line.matches(name) for line in lines):
        hint += "; the certificate authority in known_hosts is not used, the plain key is needed"
    return UnknownHostKey(
        f"the host key of {name} is not known, so nothing was sent to it",
        where=_where(hop),
        value=f"{key.kind} {key.fingerprint}",
        hint=hint,
        next_command=make_add_command(hop, key),
    )


def make_add_command(hop: Hop, key: HostKey) -> str:
    """The shell line that adds exactly this key to the hop's own known_hosts file."""
    path = Path(hop.known_hosts[0] if hop.known_hosts else "~/.ssh/known_hosts").expanduser()
    start = "\\n" if _lacks_newline(path) else ""
    add = f"printf '{start}%s\\n' {quote(make_known_hosts_line(hop.host_key_names[0], key))} >> {quote(str(path))}"
    return add if path.parent.is_dir() else f"mkdir -p {quote(str(path.parent))} && {add}"


def _changed(hop: Hop, key: HostKey, verdict: Verdict) -> HostError:
    line = verdict.line
    assert line is not None
    name = hop.host_key_names[0]
    offered = f"{key.kind} {key.fingerprint}"
    place = f"{line.path}, line {line.line}"
    if verdict.word == "revoked":
        return ChangedHostKey(
            f"THE HOST KEY OF {name} IS REVOKED in known_hosts: do not trust this host, ask its admin",
            where=place,
            value=offered,
            hint=f"{_where(hop)} showed a key that somebody marked as stolen or withdrawn (@revoked)",
        )
    return ChangedHostKey(
        f"THE HOST KEY OF {name} HAS CHANGED: the host was reinstalled, or somebody stands between you and it",
        where=place,
        value=f"shown: {offered}; recorded: {line.key.kind} {line.key.fingerprint}",
        hint=f"{_where(hop)}. Nothing was sent. Ask its admin; compare with `ssh-keygen -lf {_pub_file(key)}` on its "
        "console; only when it is right, remove the old key with the command below and connect again",
        next_command=f"ssh-keygen -R {quote(name)} -f {quote(line.path)}",
    )


def _where(hop: Hop) -> str:
    return hop.label if hop.name == hop.host else f"{hop.name} ({hop.label})"


def _pub_file(key: HostKey) -> str:
    return "/etc/ssh/" + _PUBLIC_KEY_FILES.get(key.kind, "ssh_host_*_key.pub")


def _lacks_newline(path: Path) -> bool:
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return bool(text) and not text.endswith(b"\n")
