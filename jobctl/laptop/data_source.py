"""What a dataset's `path` names: a folder, a zip archive, several, or a folder that holds the archives."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from jobctl.errors import InputError
from jobctl.laptop.folder_tree import FolderTree, Listed, Reading
from jobctl.laptop.tree_cache import Progress, TreeCache
from jobctl.laptop.tree_source import TreeSource
from jobctl.laptop.walk import list_folders, walk
from jobctl.laptop.zip_tree import ZipTree

_ZIP = ".zip"


def _silent(done: int, total: int) -> None:
    pass


def make_data_tree(
    place: Path | Sequence[Path], cache: TreeCache, unpack: bool | None = None, progress: Progress = _silent
) -> TreeSource:
    """A local dataset. `unpack`: see `jobctl.spec.job.Data`. Raises InputError where it is not there, empty or odd."""
    if not isinstance(place, Path):
        return _full(ZipTree([_checked(path) for path in place], None, cache, progress), place[0])
    if place.is_file() and place.suffix.lower() == _ZIP:
        return _full(ZipTree([place], None, cache, progress), place)
    if not place.is_dir():
        raise InputError(
            "a dataset is a folder or a zip archive" if place.exists() else "no such data folder on this machine",
            where=str(place),
            hint="`path:` is a folder here, relative to the config; a folder that is on the host already is `on_host:`",
        )
    archives = [] if unpack is False else _archives_in(place, even_beside_folders=unpack is True)
    if not archives:
        if unpack:
            raise InputError("there is no zip archive in the folder", where=str(place))
        return _full(_folder(place, cache, progress), place)
    own = {archive.name for archive in archives}
    others = sorted(name for name in walk(place, follow_links=True) if name not in own)
    beside = _reading("beside", place, cache, progress).tree(Listed(None, others)) if others else None
    return _full(ZipTree(archives, beside, cache, progress), place)


def _folder(place: Path, cache: TreeCache, progress: Progress) -> FolderTree:
    reading = _reading("data", place, cache, progress)
    return reading.tree(list_folders(place, reading.last.listing if reading.last else None, follow_links=True))


def _reading(kind: str, place: Path, cache: TreeCache, progress: Progress) -> Reading:
    return Reading(place, json.dumps([kind, os.path.abspath(place)]), cache, follow_links=True, progress=progress)


def _archives_in(folder: Path, *, even_beside_folders: bool) -> list[Path]:
    """None where there are folders as well: there the archives may have been unpacked already."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot read a folder: {error.strerror}", where=str(folder)) from None
    if not even_beside_folders and any(entry.is_dir() for entry in entries):
        return []
    return [entry for entry in entries if entry.suffix.lower() == _ZIP and entry.is_file()]


def _checked(path: Path) -> Path:
    if not path.exists():
        hint = "`path:` is relative to the config"
        raise InputError("no such archive on this machine", where=str(path), hint=hint)
    if path.is_dir() or (path.is_file() and path.suffix.lower() != _ZIP):
        raise InputError("a list under `path:` names zip archives, and this is none", where=str(path))
    return path


def _full(tree: TreeSource, place: Path) -> TreeSource:
    if not tree.manifest.data:
        raise InputError("the data folder is empty" if place.is_dir() else "the archive is empty", where=str(place))
    return tree
