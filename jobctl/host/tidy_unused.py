"""What else lies below the work_dir: environments, mirrors, caches, host programs, and what was cut."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Callable, FrozenSet, List, Optional

from .environment import MARKER
from .files import read_json
from .launch import staging_lock
from .locks import take_lock
from .removal import Item, StillNeeded, age_of, entries, put_aside, remove, size_of, taker
from .server import OpError
from .tidy_runs import RunHere

_DAY_S = 86400.0
_LEFT = (
    ("objects", "objects/??/.incoming-*"),
    ("objects", "objects/??/.arriving-*"),
    ("datasets", "datasets/[!.]*/.*"),
    ("datasets", "datasets/.*/*.part*"),
    ("host", "host/*.tmp"),
    ("trees", "trees/.*.part"),
    ("runs", "runs/*/.*.part"),
    ("runs", "runs/.gone-*"),
    ("environments", "environments/.gone-*"),
    ("environments", "environments/.resolve-*"),
    ("git", "git/.gone-*"),
    ("staging", "staging/.gone-*"),
)


def survey(root: Path, runs: List[RunHere], older_than_s: float, packages: FrozenSet[str], now: float) -> List[Item]:
    """Staging, environments, mirrors, caches, host programs, what was cut. `packages`: digests that a lock holds."""
    return [
        *_staging(root, now),
        *_environments(root, runs, older_than_s, packages, now),
        *_mirrors(root, runs, older_than_s, now),
        *_caches(root, runs, older_than_s, now),
        *_programs(root, runs, older_than_s, now),
        *_leftovers(root, runs, now),
    ]


def _staging(root: Path, now: float) -> List[Item]:
    items = []
    for folder in entries(root, "staging", "[!.]*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        age_s = age_of(folder, now)
        name = folder.relative_to(root).as_posix()
        if age_s < _DAY_S:
            items.append(Item("staging", name, size_of(folder), age_s, "a submit may be at it"))
        else:
            items.append(Item("staging", name, size_of(folder), age_s, "a submit left it", _unstager(root, folder)))
    return items


def _unstager(root: Path, folder: Path) -> Callable[[], None]:
    def take_away() -> None:
        try:
            with staging_lock(root, folder.name):
                remove(put_aside(folder))
        except OpError as error:
            raise StillNeeded(error.message) from None

    return take_away


def _environments(
    root: Path, runs: List[RunHere], older_than_s: float, packages: FrozenSet[str], now: float
) -> List[Item]:
    needed = {}
    for run in runs:
        path = (read_json(run.path / "environment.json") or {}).get("path")
        if run.may_go_on and isinstance(path, str):
            needed[Path(path).name] = run.name
    items = []
    for folder in entries(root, "environments", "[!.]*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        age_s = _unused_s(folder, now)
        name, size_bytes = folder.relative_to(root).as_posix(), size_of(folder)
        if folder.name in needed:
            items.append(Item("environment", name, size_bytes, age_s, "run {} needs it".format(needed[folder.name])))
        elif age_s < older_than_s:
            items.append(Item("environment", name, size_bytes, age_s, "used lately"))
        elif (read_json(folder / MARKER) or {}).get("packages") in packages:
            items.append(Item("environment", name, size_bytes, age_s, "a lock holds its packages"))
        else:
            take = _locked_taker(folder, partial(_is_unused, folder, older_than_s, now))
            items.append(Item("environment", name, size_bytes, age_s, "no run has used it", take))
    return items


def _is_unused(environment: Path, older_than_s: float, now: float) -> bool:
    return _unused_s(environment, now) >= older_than_s


def _unused_s(environment: Path, now: float) -> float:
    used_at = (read_json(environment / MARKER) or {}).get("used_at")
    age_s = age_of(environment, now)
    return min(age_s, now - used_at) if isinstance(used_at, (int, float)) else age_s


def _mirrors(root: Path, runs: List[RunHere], older_than_s: float, now: float) -> List[Item]:
    clones = [run.name for run in runs if run.is_live and (run.job.get("code") or {}).get("git")]
    items = []
    for folder in entries(root, "git", "[!.]*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        age_s = min(age_of(path, now) for path in [folder, *folder.glob("*")])
        name, size_bytes = folder.relative_to(root).as_posix(), size_of(folder)
        if clones:  # reading a mirror is not locked
            items.append(Item("mirror", name, size_bytes, age_s, "run {} may read it".format(clones[0])))
        elif age_s < older_than_s:
            items.append(Item("mirror", name, size_bytes, age_s, "fetched lately"))
        else:
            items.append(Item("mirror", name, size_bytes, age_s, "not fetched lately", _locked_taker(folder)))
    return items


def _caches(root: Path, runs: List[RunHere], older_than_s: float, now: float) -> List[Item]:
    """datasets/.downloads and the like. Runs have hard links to what they use, symbolic ones where that cannot be."""
    live = [run.name for run in runs if run.is_live]
    items = []
    for path in entries(root, "datasets", ".*/*"):
        if path.is_symlink() or ".part" in path.name or path.parent.is_symlink():
            continue
        age_s, name = age_of(path, now), path.relative_to(root).as_posix()
        if age_s < older_than_s:
            items.append(Item("cache", name, size_of(path), age_s, "younger than the limit"))
        elif live:
            items.append(Item("cache", name, size_of(path), age_s, "run {} may use it".format(live[0])))
        else:
            items.append(Item("cache", name, size_of(path), age_s, "it can be made again", taker(path)))
    return items


def _programs(root: Path, runs: List[RunHere], older_than_s: float, now: float) -> List[Item]:
    """A supervisor reads its modules from the program's file as it needs them: none goes while a run lives."""
    there = sorted(entries(root, "host", "jobctl-host-*.pyz"), key=lambda path: age_of(path, now))
    needed = any(run.is_live or run.job.get("on_boot") == "resume" for run in runs)
    items = []
    for index, path in enumerate(there):
        age_s, name = age_of(path, now), path.relative_to(root).as_posix()
        if index and not needed and age_s >= older_than_s:
            items.append(Item("program", name, size_of(path), age_s, "there is a newer one", taker(path)))
        else:
            why = "a run may need it" if index and needed else "younger than the limit" if index else "the newest"
            items.append(Item("program", name, size_of(path), age_s, why))
    return items


def _leftovers(root: Path, runs: List[RunHere], now: float) -> List[Item]:
    """What was cut while it was written or removed. For a day somebody may still be at it."""
    live = {run.path for run in runs if run.is_live}
    items = []
    for folder, pattern in _LEFT:
        for path in entries(root, folder, pattern[len(folder) + 1 :]):
            age_s = age_of(path, now)
            if age_s >= _DAY_S and path.parent not in live and not path.parent.is_symlink():
                name = path.relative_to(root).as_posix()
                items.append(Item("leftover", name, size_of(path), age_s, "never finished", _remover(path)))
    return items


def _remover(path: Path) -> Callable[[], None]:
    return lambda: remove(path)


def _locked_taker(folder: Path, still: Optional[Callable[[], bool]] = None) -> Callable[[], None]:
    """For what its users lock with `<name>.lock`."""

    def take_away() -> None:
        lock = take_lock(folder.with_name(folder.name + ".lock"), wait_s=0.0)
        if lock is None:
            raise StillNeeded("a run is at it just now")
        try:
            if still is not None and not still():
                raise StillNeeded("a run has just used it")
            aside = put_aside(folder)
        finally:
            os.close(lock)
        remove(aside)

    return take_away
