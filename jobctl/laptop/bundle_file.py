"""Bundles on disk: written whole or not at all, read in place, every content checked."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from jobctl.errors import InputError, TransferError
from jobctl.laptop.tree_source import TreeSource
from jobctl.plan.manifest import Base, Entry, LeftOut, make_manifest
from jobctl.spec.bundle import (
    MANIFEST,
    TREES,
    Contents,
    Member,
    TreeName,
    dump_contents,
    member_name,
    parse_contents,
)

_CHUNK = 1 << 20
_LARGEST_MANIFEST_BYTES = 1 << 28  # of a million files
_REMAKE = "jobctl bundle CONFIG -o FILE"

Progress = Callable[[int, int], None]


def write_bundle(path: Path, contents: Contents, sources: dict[str, TreeSource], progress: Progress) -> None:
    """Write the file beside, check every content on the way, rename. Raises InputError, TransferError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    done = 0
    try:
        with beside.open("wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            manifest = dump_contents(contents)
            tar.addfile(_info(MANIFEST, len(manifest)), io.BytesIO(manifest))
            for name in TREES:
                written: set[str] = set()
                source = sources.get(name)
                entries = [each for each in source.manifest.entries if each.kind != "l"] if source else []
                for entry, pieces in source.contents(_unique(name, entries)) if source else ():
                    member = str(member_name(name, _member(entry)))
                    assert member not in written
                    written.add(member)
                    tar.addfile(_info(member, entry.size), _Checked(entry, pieces))
                    done += entry.size
                    progress(done, contents.size_bytes)
            progress(contents.size_bytes, contents.size_bytes)
        _sync(beside)
        beside.replace(path)
    except OSError as error:
        raise InputError(f"the bundle cannot be written: {error.strerror}", where=str(path)) from None
    finally:
        beside.unlink(missing_ok=True)


def _unique(tree: str, entries: list[Entry]) -> list[Entry]:
    found = {member_name(tree, _member(entry)): entry for entry in reversed(entries)}
    return sorted(found.values(), key=lambda entry: str(member_name(tree, _member(entry))))


def _member(entry: Entry) -> Member:
    return Member(path=entry.path, kind=entry.kind, size=entry.size, content=entry.content)


def members_of(source: TreeSource) -> tuple[Member, ...]:
    """A tree as the manifest lists it."""
    return tuple(map(_member, source.manifest.entries))


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


class _Checked(io.RawIOBase):
    """Reads pieces as a file; at the end their hash must be the announced one."""

    def __init__(self, entry: Entry, pieces: Iterator[bytes]) -> None:
        self._entry, self._pieces = entry, pieces
        self._rest = bytearray()
        self._digest = hashlib.sha256()
        self._left = entry.size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        given, self._rest = bytes(self._rest[:size]), self._rest[size:]
        self._digest.update(given)
        self._left -= len(given)
        if self._left == 0 and self._digest.hexdigest() != self._entry.content:
            raise TransferError("a file changed while it was put into the bundle", where=self._entry.path)
        return given


class Bundle:
    """A bundle that is read. `contents` is the manifest."""

    def __init__(self, path: Path, contents: Contents, offsets: dict[str, int]) -> None:
        self.path = path
        self.contents = contents
        self._offsets = offsets

    def tree(self, name: TreeName) -> BundledTree | None:
        """One of its trees, to be sent; None where it has none."""
        members = self.contents.trees.get(name)
        if members is None:
            return None
        tree = BundledTree(self.path, name, members, self._offsets)
        tree.commit = self.contents.code.commit if name == "code" else None
        return tree

    def verify(self, progress: Progress) -> None:
        """Read everything. Raises TransferError for the first content that is not what the manifest says."""
        done = 0
        for name, members in self.contents.trees.items():
            tree = BundledTree(self.path, name, members, self._offsets)
            for entry, pieces in tree.contents(each for each in tree.manifest.entries if each.kind != "l"):
                digest = hashlib.sha256()
                for piece in pieces:
                    digest.update(piece)
                    done += len(piece)
                if digest.hexdigest() != entry.content:
                    raise _damaged(self.path, f"{name}/{entry.path}")
                progress(done, max(done, self.contents.size_bytes))
        progress(done, done)


class BundledTree:
    """A tree in a bundle, as something that can be sent."""

    base: Base | None = None
    is_new = False
    left_out: tuple[LeftOut, ...] = ()
    pointers: tuple[str, ...] = ()

    def __init__(self, path: Path, name: str, members: Iterable[Member], offsets: dict[str, int]) -> None:
        self._path, self._name, self._offsets = path, name, offsets
        self.commit: str | None = None
        self.manifest = make_manifest(Entry(each.path, each.kind, each.size, each.content) for each in members)

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        with self._path.open("rb") as file:
            for entry in entries:
                yield entry, self._read(file, entry)

    def file(self, entry: Entry) -> Path | None:
        """Nothing in a bundle is a file of its own."""
        return None

    def _read(self, file: BinaryIO, entry: Entry) -> Iterator[bytes]:
        file.seek(self._offsets[str(member_name(self._name, _member(entry)))])
        left = entry.size
        while left:
            piece = file.read(min(_CHUNK, left))
            if not piece:
                raise _damaged(self._path, entry.path)
            left -= len(piece)
            yield piece


def open_bundle(path: Path) -> Bundle:
    """Read the manifest and where everything is; contents are not read. Raises InputError, TransferError."""
    try:
        size = path.stat().st_size
        with tarfile.open(path, "r:") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or first.size > _LARGEST_MANIFEST_BYTES:
                raise InputError("this is not a bundle of jobctl", where=str(path), next_command=_REMAKE)
            data = tar.extractfile(first)
            if data is None:
                raise InputError("this is not a bundle of jobctl", where=str(path), next_command=_REMAKE)
            contents = parse_contents(data.read(), str(path))
            there = {info.name: (info.offset_data, info.size) for info in tar}
    except FileNotFoundError:
        raise InputError("no such bundle", where=str(path), next_command=_REMAKE) from None
    except tarfile.TarError as error:
        raise InputError(f"this is not a bundle of jobctl, or a damaged one: {error}", where=str(path)) from None
    except OSError as error:
        raise InputError(f"the bundle cannot be read: {error.strerror}", where=str(path)) from None
    for name, members in contents.trees.items():
        for member in members:
            known = member_name(name, member)
            at, length = there.get(known, (0, -1)) if known else (0, member.size)
            if length != member.size or at + length > size:
                raise _damaged(path, f"{name}/{member.path}")
    return Bundle(path, contents, {name: at for name, (at, _) in there.items()})


def _damaged(path: Path, member: str) -> TransferError:
    hint = "it was cut or changed on its way; copy it again"
    return TransferError("the bundle is damaged", where=str(path), value=member, hint=hint)
