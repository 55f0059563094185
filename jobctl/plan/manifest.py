"""What a tree of files consists of, as data: paths, kinds, sizes, hashes. Pure.

A manifest's digest names the tree: two trees with the same digest have the same files. Empty folders are not part of it
(as in git), nor are owners and times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
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
    """The entries of a tree, sorted by path."""

    entries: tuple[Entry, ...]

    @property
    def size_bytes(self) -> int:
        return sum(entry.size for entry in self.entries)

    def as_bytes(self) -> bytes:
        rows = [[entry.path, entry.kind, entry.size, entry.content] for entry in self.entries]
        return json.dumps(rows, separators=(",", ":")).encode("ascii")

    def digest(self) -> str:
        """SHA-256 over the canonical form, as hexadecimal digits."""
        return hashlib.sha256(self.as_bytes()).hexdigest()


def make_manifest(entries: Iterable[Entry]) -> Manifest:
    """The entries in canonical order."""
    return Manifest(tuple(sorted(entries, key=lambda entry: entry.path)))


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
