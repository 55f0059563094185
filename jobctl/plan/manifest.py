"""What a tree of files consists of, as data: paths, kinds, sizes, hashes. Pure.

A manifest's digest names the tree: two trees with the same digest have the same files. Empty folders are not part of it
(as in git), nor are owners and times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring_ascii
from typing import Literal

Kind = Literal["f", "x", "l"]


@dataclass(frozen=True)
class Entry:
    """One file of a tree.

    `path` is relative, with "/" between its parts; bytes that are not UTF-8 stand as lone surrogates (os.fsdecode).
    `kind`: "f" a file, "x" an executable file, "l" a symbolic link. `size` in bytes. `content`: SHA-256 of the file, or
    the target of the link.
    """

    path: str
    kind: Kind
    size: int
    content: str


@dataclass(frozen=True)
class Manifest:
    """The entries of a tree, sorted by path: a JSON list each, a line each. A change of one file changes one line, so
    that a tree can be told, patched and hashed without being parsed.
    """

    data: bytes

    @cached_property
    def lines(self) -> list[bytes]:
        return self.data.splitlines()

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(Entry(*row) for row in json.loads(b"[%b]" % b",".join(self.lines)))

    def entry(self, index: int) -> Entry:
        return Entry(*json.loads(self.lines[index]))

    @cached_property
    def size_bytes(self) -> int:
        return sum(entry.size for entry in self.entries)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical form, as hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()


def make_line(path: str, kind: str, size: int, content: str) -> bytes:
    """An entry in canonical form, without the line's end."""
    quoted = encode_basestring_ascii(content)
    return f'[{encode_basestring_ascii(path)},"{kind}",{size},{quoted}]'.encode("ascii")


def join_lines(lines: Iterable[bytes]) -> Manifest:
    """Of lines that are sorted by their paths already."""
    text = b"\n".join(lines)
    return Manifest(text + b"\n" if text else b"")


def make_manifest(entries: Iterable[Entry]) -> Manifest:
    """The entries in canonical order."""
    ordered = sorted(entries, key=lambda entry: entry.path)
    return join_lines(make_line(entry.path, entry.kind, entry.size, entry.content) for entry in ordered)


@dataclass(frozen=True)
class Delta:
    """What makes one manifest of another: `drop`, lines of the old; then `add`, lines at their places in the new."""

    drop: tuple[int, ...]
    add: tuple[tuple[int, bytes], ...]

    def as_bytes(self) -> bytes:
        rows = [[index, line.decode("ascii")] for index, line in self.add]
        return json.dumps([self.drop, rows], separators=(",", ":")).encode("ascii")

    @property
    def size_bytes(self) -> int:
        return sum(len(line) for _, line in self.add) + 8 * len(self.drop)


@dataclass(frozen=True)
class Base:
    """A tree, by its digest, and what makes the present one of it."""

    digest: str
    delta: Delta


def make_delta(old: Manifest, new: Manifest) -> Delta:
    """See Delta; the host applies it (`host/manifests.py`)."""
    before, after = set(old.lines), set(new.lines)
    return Delta(
        tuple(index for index, line in enumerate(old.lines) if line not in after),
        tuple((index, line) for index, line in enumerate(new.lines) if line not in before),
    )


@dataclass(frozen=True)
class LeftOut:
    """What is there and not sent, and why. `paths`: some of them. None: not counted."""

    reason: str
    paths: tuple[str, ...] = ()
    files: int | None = None
    size_bytes: int | None = None

    def __str__(self) -> str:
        named = ", ".join(self.paths[:3])
        if self.files is None or (self.files == 1 and self.paths):
            return f"{named}: {self.reason}" if named else self.reason
        return f"{self.files} files: {self.reason}" + (f" ({named}, ...)" if named else "")


@dataclass(frozen=True)
class Pull:
    """What a pull has to do: `fetch` what is missing or differs; `keep` what is there already."""

    fetch: tuple[Entry, ...]
    keep: tuple[Entry, ...]


def diff_pull(remote: Iterable[Entry], local: dict[str, str]) -> Pull:
    """`local`: path -> SHA-256 of what lies in the target already."""
    entries = tuple(remote)
    keep = tuple(entry for entry in entries if local.get(entry.path) == entry.content)
    kept = {entry.path for entry in keep}
    return Pull(fetch=tuple(entry for entry in entries if entry.path not in kept), keep=keep)
