"""known_hosts: its lines, and what they say about a key. PURE.

The format is sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": hashed names, `[host]:port`, wildcards, negation, @revoked.
Certificates of hosts (@cert-authority) are not checked: a host is known by its plain key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class HostKey:
    """A public key as it travels: its type, such as `ssh-ed25519`, and the bytes of RFC 4253, section 6.6."""

    kind: str
    blob: bytes

    @property
    def base64(self) -> str:
        return base64.b64encode(self.blob).decode()

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: `SHA256:...`."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class KnownHost:
    """A line of a known_hosts file."""

    path: str
    line: int
    marker: str
    """`revoked`, `cert-authority` or empty."""
    names: str
    key: HostKey

    def matches(self, name: str) -> bool:
        """True when the line is about the host `name`, such as `lab-a` or `[lab-a]:2222`."""
        name = name.lower()
        if self.names.startswith("|1|"):
            return _hash_matches(self.names, name)
        patterns = self.names.lower().split(",")
        if any(pattern.startswith("!") and _wild(pattern[1:], name) for pattern in patterns):
            return False
        return any(_wild(pattern, name) for pattern in patterns)


@dataclass(frozen=True)
class Verdict:
    """What the files say about a key; `line` is the line that says it."""

    word: Literal["known", "unknown", "changed", "revoked"]
    line: KnownHost | None = None


def parse_known_hosts(text: str, path: str) -> Iterator[KnownHost]:
    """The lines that can be read; others are passed over, as ssh does."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        marker = words.pop(0)[1:] if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except binascii.Error:
            continue
        yield KnownHost(path, number, marker, words[0], HostKey(words[1], blob))


def judge(lines: Iterable[KnownHost], names: Sequence[str], key: HostKey) -> Verdict:
    """Is `key` the key of the host that is called by `names`, the exact name first?

    As in OpenSSH a host on another port may also stand there without its port, but only to be accepted, never to be
    called changed. A host that is known by keys of other types only has changed: we ask for the known types first.
    """
    lines = list(lines)
    about = [line for line in lines if any(line.matches(name) for name in names)]
    for line in about:
        if line.marker == "revoked" and line.key.blob == key.blob:
            return Verdict("revoked", line)
    plain = [line for line in about if not line.marker]
    for line in plain:
        if line.key == key:
            return Verdict("known", line)
    exact = [line for line in plain if line.matches(names[0])]
    same_kind = [line for line in exact if line.key.kind == key.kind]
    if exact:
        return Verdict("changed", (same_kind or exact)[0])
    return Verdict("unknown")


def known_kinds(lines: Iterable[KnownHost], names: Sequence[str]) -> list[str]:
    """The key types that a host is known by, to be asked for first."""
    found = [line.key.kind for line in lines if not line.marker and any(line.matches(name) for name in names)]
    return list(dict.fromkeys(found))


def make_known_hosts_line(name: str, key: HostKey) -> str:
    """The line that makes `key` known for `name`, without a newline."""
    return f"{name} {key.kind} {key.base64}"


def _hash_matches(hashed: str, name: str) -> bool:
    """`|1|salt|hash`: HMAC-SHA1 of the name, both in base64 (HashKnownHosts)."""
    try:
        _, _, salt, digest = hashed.split("|")
        expected = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(expected, base64.b64decode(digest))
    except ValueError:
        return False


def _wild(pattern: str, name: str) -> bool:
    """`*` and `?` only: fnmatch would read the brackets of `[host]:port` as a set."""
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regex, name) is not None
