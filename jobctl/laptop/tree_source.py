"""Trees of files that the user names: where their manifest and their contents come from.

Two kinds: a folder on disk (here), and a commit of a git repository (`git_source`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from jobctl.errors import CodeSourceError, InputError, TransferError
from jobctl.laptop.git import run_git
from jobctl.laptop.hash_cache import HashCache
from jobctl.plan.manifest import Entry, Manifest, make_manifest

_CHUNK = 1 << 20
_OUTPUT = "output"


class TreeSource(Protocol):
    """A tree that can be sent."""

    manifest: Manifest
    left_out: tuple[str, ...]
    """What is not sent although it is there, one line each, with the reason."""
    commit: str | None
    """The git commit it stands for, if any; "+" behind it where there is uncommitted work."""

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """The entries' bytes, in pieces. Raises TransferError for a file that has changed or gone."""

    def file(self, entry: Entry) -> Path | None:
        """Where the bytes of an entry lie as a file of their own; None where they do not."""


class FolderTree:
    """Files below a folder.

    With `follow_links` (data) links are read through; otherwise they are sent as links (code).
    """

    def __init__(
        self, folder: Path, paths: Iterable[str], cache: HashCache, *, follow_links: bool, commit: str | None = None
    ) -> None:
        self._folder = folder
        self.commit = commit
        left_out: list[str] = []
        links: list[Entry] = []
        files: list[tuple[str, os.stat_result]] = []
        base = os.path.join(folder, "")
        for name in paths:
            try:
                info = os.stat(base + name, follow_symlinks=follow_links)
            except OSError as error:
                left_out.append(f"{name}: {error.strerror}")
                continue
            if stat.S_ISLNK(info.st_mode):
                target = os.readlink(base + name)
                links.append(Entry(name, "l", len(os.fsencode(target)), target))
            elif stat.S_ISREG(info.st_mode):
                files.append((base + name, info))
            else:
                left_out.append(f"{name}: not a regular file")
        hashes = _hash_all(cache, files)
        entries = [
            Entry(path[len(base) :], "x" if info.st_mode & 0o111 else "f", info.st_size, hashes[path])
            for path, info in files
        ]
        self.manifest = make_manifest(entries + links)
        self.left_out = tuple(left_out)

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        for entry in entries:
            yield entry, self._read(entry)

    def file(self, entry: Entry) -> Path | None:
        return self._folder / entry.path

    def _read(self, entry: Entry) -> Iterator[bytes]:
        left = entry.size
        try:
            with (self._folder / entry.path).open("rb") as file:
                while left and (piece := file.read(min(_CHUNK, left))):
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise TransferError(f"cannot read a file any more: {error.strerror}", where=entry.path) from None
        if left:
            raise TransferError("a file became shorter while it was sent", where=entry.path, hint="submit again")


def _hash_all(cache: HashCache, files: list[tuple[str, os.stat_result]]) -> dict[str, str]:
    try:
        return cache.hashes(files)
    except OSError as error:
        raise InputError(f"cannot read a file: {error.strerror}", where=str(error.filename)) from None


def walk(folder: Path, *, follow_links: bool) -> Iterator[str]:
    """All files below a folder as relative paths, `.git` left out. Raises InputError for a folder that cannot be read.

    With `follow_links` folders are entered through links too, except into one that the path has come through already.
    """
    return _walk(os.fspath(folder), "", follow_links, ())


def _walk(folder: str, prefix: str, follow_links: bool, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    try:
        info = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot read a folder: {error.strerror}", where=folder) from None
    here = (info.st_dev, info.st_ino)
    if here in above:
        return
    for entry in entries:
        if entry.name == ".git":
            continue
        if entry.is_dir(follow_symlinks=follow_links):
            yield from _walk(entry.path, f"{prefix}{entry.name}/", follow_links, (*above, here))
        else:
            yield prefix + entry.name


def make_data_tree(folder: Path, cache: HashCache) -> FolderTree:
    """A local data folder. Raises InputError where it is not there or empty."""
    if not folder.is_dir():
        raise InputError(
            "no such data folder on this machine",
            where=str(folder),
            hint="`path:` is a folder here, relative to the config; a folder that is on the host already is `on_host:`",
        )
    tree = FolderTree(folder, walk(folder, follow_links=True), cache, follow_links=True)
    if not tree.manifest.entries:
        raise InputError("the data folder is empty", where=str(folder))
    return tree


def make_working_tree(folder: Path, exclude: Iterable[str], cache: HashCache) -> FolderTree:
    """A local working tree: uncommitted work included, what git ignores left out. Without git: all files."""
    if not folder.is_dir():
        raise InputError(
            "no such code folder on this machine", where=str(folder), hint="`code.path` is relative to the config"
        )
    inside_git = _is_work_tree(folder)
    paths = list(_git_files(folder, "")) if inside_git else list(walk(folder, follow_links=False))
    commit = _git(folder, "rev-parse", "HEAD").decode().strip() or None if inside_git else None
    if commit and _git(folder, "status", "--porcelain", "--", "."):
        commit += "+"
    chosen = [path for path in without(paths, exclude) if path != _OUTPUT and not path.startswith(_OUTPUT + "/")]
    tree = FolderTree(folder, chosen, cache, follow_links=False, commit=commit)
    if os.path.lexists(folder / _OUTPUT):
        # Earlier trainings here: large, never wanted there, and in the way of the run's own folder of that name.
        tree.left_out = (f"{_OUTPUT}: the run has its own", *tree.left_out)
    return tree


def without(paths: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """The paths that no git-style pattern matches."""
    patterns = tuple(exclude)
    if not patterns:
        return list(paths)
    import pathspec

    spec = pathspec.GitIgnoreSpec.from_lines(patterns)
    return [path for path in paths if not spec.match_file(path)]


def _git_files(folder: Path, prefix: str) -> Iterator[str]:
    """What git tracks, and what it does not ignore, with the same of each submodule."""
    tracked = _git(folder, "ls-files", "-z", "--stage")
    submodules: set[str] = set()
    names: set[str] = set()
    for row in filter(None, tracked.split(b"\0")):
        head, _, path = row.partition(b"\t")
        (submodules if head.startswith(b"160000") else names).add(os.fsdecode(path))
    names.update(
        map(os.fsdecode, filter(None, _git(folder, "ls-files", "-z", "--others", "--exclude-standard").split(b"\0")))
    )
    for name in sorted(names):
        if os.path.lexists(folder / name) and not name.endswith(
            "/"
        ):  # deleted, not yet committed; "x/": a repository inside
            yield prefix + name
    for name in sorted(submodules):
        if (folder / name / ".git").exists():
            yield from _git_files(folder / name, f"{prefix}{name}/")


def _is_work_tree(folder: Path) -> bool:
    """Whether git says what belongs to the folder. Raises CodeSourceError where git has something against it: to send
    what it ignores (secrets, datasets) is no way out.

    A folder that a repository around it ignores (a build or scratch folder) is no part of that repository.
    """
    try:
        done = run_git(folder, "rev-parse", "--is-inside-work-tree")
        said = done.stderr.decode("utf-8", "replace").strip()
    except FileNotFoundError:
        done, said = None, "git is not installed on this machine"
    if done is not None and done.returncode == 0:
        return done.stdout.strip() == b"true" and not _git(folder, "check-ignore", ".")
    if any((above / ".git").exists() for above in (folder.absolute(), *folder.absolute().parents)):
        raise CodeSourceError("git does not say what belongs to the code folder", where=str(folder), value=said[-400:])
    return False


def _git(folder: Path, *args: str) -> bytes:
    """git's output; empty where it says no."""
    done = run_git(folder, *args)
    return done.stdout if done.returncode == 0 else b""
