"""The files below a folder, and whether they are still the same: by the folders' own times, without listing them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobctl.errors import InputError
from jobctl.laptop.folder_tree import Listed
from jobctl.laptop.tree_cache import RACY_NS


def list_folders(folder: Path, remembered: Any, *, follow_links: bool) -> Listed:
    """All files below a folder, sorted; `.git` left out. No names where no folder has changed since `remembered`, the
    `said` of an earlier call. Raises InputError for a folder that cannot be read.

    With `follow_links` folders are entered through links too, except into one that the path has come through already.
    """
    base = os.fspath(folder)
    if remembered and all(_look(base, row[0]) == row for row in remembered):
        return Listed(remembered, None)
    folders: list[list[Any]] = []
    names = sorted(_walk(base, "", follow_links, (), folders, time.time_ns()))
    return Listed(folders, names)


def _look(base: str, name: str) -> list[Any]:
    """What a change among the names in a folder cannot leave alone."""
    try:
        info = os.stat(os.path.join(base, name))
    except OSError:
        return [name]
    return [name, info.st_dev, info.st_ino, info.st_mtime_ns, info.st_ctime_ns]


def walk(folder: Path, *, follow_links: bool) -> Iterator[str]:
    """All files below a folder as relative paths, `.git` left out. Raises InputError for one that cannot be read."""
    return _walk(os.fspath(folder), "", follow_links, (), [], 0)


def _walk(
    base: str, prefix: str, follow_links: bool, above: tuple[tuple[int, int], ...], folders: list[list[Any]], now: int
) -> Iterator[str]:
    place = os.path.join(base, prefix)
    row = _look(base, prefix)
    try:
        info = os.stat(place)
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot read a folder: {error.strerror}", where=place) from None
    here = (info.st_dev, info.st_ino)
    if here in above:
        return
    # Changed within the last tick of the clock: it may change again and look the same.
    folders.append(row if now - max(info.st_mtime_ns, info.st_ctime_ns) > RACY_NS else [prefix, None])
    for entry in entries:
        if entry.name == ".git":
            continue
        if entry.is_dir(follow_symlinks=follow_links):
            yield from _walk(base, f"{prefix}{entry.name}/", follow_links, (*above, here), folders, now)
        else:
            yield prefix + entry.name
