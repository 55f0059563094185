"""What runs share by content, and which of it none needs: trees, datasets, objects."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, List, Set, Tuple

from .manifests import parse_manifest
from .removal import Item, age_of, entries, remove, size_of, taker
from .server import OpError
from .tidy_runs import RunHere


def survey_trees(root: Path, older_than_s: float, alone: bool, now: float) -> List[Item]:
    """Lists of files that no submit has named for long. A submit that names one again sends it again."""
    old, kept = _trees(root, older_than_s, now)

    def take_away() -> None:
        for path in old:
            if age_of(path, now) >= older_than_s:
                remove(path)

    return _many("trees", old, kept, "no submit has named them", "named by a submit lately", alone, take_away)


def survey_datasets(
    root: Path, runs: List[RunHere], older_than_s: float, wanted: bool, alone: bool, now: float
) -> List[Item]:
    """Datasets; they go only where that is `wanted`: they were expensive to send."""
    needed = {target: run.name for run in runs for target in _targets(run)}
    items = []
    for folder in entries(root, "datasets", "[!.]*/[!.]*"):
        name, age_s = folder.relative_to(root).as_posix(), age_of(folder, now)
        size_bytes = size_of(folder, shared=True)
        by = needed.get(name)
        take = None
        if by is not None:
            why = "run {} needs it".format(by)
        elif age_s < older_than_s:
            why = "no run needs it; younger than the limit"
        elif not wanted:
            why = "no run needs it; --datasets removes it"
        elif not alone:
            why = _BUSY
        else:
            why, take = "no run needs it", taker(folder)
        items.append(Item("dataset", name, size_bytes, age_s, why, take))
    return items


def survey_objects(root: Path, older_than_s: float, alone: bool, now: float) -> List[Item]:
    """File contents that no tree names and that have no other name. The time counts from when a file lost that."""
    _, trees = _trees(root, older_than_s, now)
    named: Set[str] = set()
    for path in trees:
        try:
            rows = parse_manifest(path.read_bytes(), path.name[: -len(".json")])
        except (OSError, OpError, ValueError, TypeError):
            continue  # damaged: the next submit that names it sends it anew
        named.update(row.content + ("x" if row.kind == "x" else "") for row in rows if row.kind != "l")
    old: List[Path] = []
    kept: List[Path] = []
    for path in entries(root, "objects", "??/[!.]*"):
        try:
            info = path.lstat()
        except OSError:
            continue
        unneeded = info.st_nlink == 1 and path.name not in named and now - info.st_ctime >= older_than_s
        (old if unneeded else kept).append(path)

    def take_away() -> None:
        for path in old:
            if path.lstat().st_nlink == 1:
                remove(path)

    return _many("objects", old, kept, "no run, dataset or tree has them", "needed, or young", alone, take_away)


_BUSY = "a submit sends files just now"


def _many(
    kind: str, old: List[Path], kept: List[Path], gone: str, stays: str, alone: bool, take_away: Callable[[], None]
) -> List[Item]:
    """Small things are told together: one row for those that go, one for those that stay."""
    items = []
    if kept:
        items.append(Item(kind, kind, _sum(kept), None, stays, None, len(kept)))
    if old:
        items.append(
            Item(kind, kind, _sum(old), None, gone if alone else _BUSY, take_away if alone else None, len(old))
        )
    return items


def _sum(paths: List[Path]) -> int:
    return sum(size_of(path) for path in paths)


def _trees(root: Path, older_than_s: float, now: float) -> Tuple[List[Path], List[Path]]:
    """(those that no submit has named for so long, the others). An offer touches the tree that it names."""
    old: List[Path] = []
    kept: List[Path] = []
    for path in entries(root, "trees", "[!.]*.json"):
        (old if age_of(path, now) >= older_than_s else kept).append(path)
    return old, kept


def _targets(run: RunHere) -> List[str]:
    """The datasets of a run, relative to the work_dir."""
    rows = run.job.get("data") or []
    targets = [row.get("target") for row in rows if isinstance(row, dict)]
    return ["/".join(["datasets", *target.split("/")[-2:]]) for target in targets if isinstance(target, str)]
