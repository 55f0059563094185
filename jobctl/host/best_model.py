"""The best model of a training, over all its attempts.

A training that goes on from a checkpoint forgets the best mIoU, and overwrites a better best_model in place (PaddleSeg
2.9.0). So it is copied aside before an attempt (a hard link would be written through), and the better of the two stands
at its place after it. `kept/best.json` tells which model that is: {"path", "miou", "iter", "attempt", "kept"}; "kept":
kept/best_model is whole, and not yet compared. Killed at any point, the next call settles what was left.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import List, Optional, Tuple

from .checkpoints import defect_of
from .files import Json, read_json, sync_folder, write_json
from .metrics import Parser

_FICLONE = 0x40049409
_TAIL_BYTES = 4 * 1024 * 1024


def keep_best(run_dir: Path, place: str, stage: str, attempt: int) -> None:
    """Before attempt `attempt`: put the model in `place` (below the run directory) aside. Raises OSError."""
    kept, model = run_dir / "kept", run_dir / place
    label = _label_of(run_dir, place, stage, attempt - 1)
    if defect_of(model) is not None:
        return
    kept.mkdir(exist_ok=True)
    _copy_folder(model, kept / "best_model")
    write_json(kept / "best.json", dict(label, attempt=attempt - 1, kept=True))


def settle_best(run_dir: Path, stage: str) -> Optional[Json]:
    """After an attempt, or before the next: the better model stands at its place. Raises OSError.

    Returns what was put back and what it replaced: {"miou", "iter", "instead_of"}; None when nothing was.
    """
    told = read_json(run_dir / "kept" / "best.json")
    if told is None or not told.get("kept"):
        return None
    place, kept = run_dir / told["path"], run_dir / "kept" / "best_model"
    attempt, newer = _newest_best(run_dir, stage, int(told["attempt"]))
    restored: Optional[Json] = None
    wrong = defect_of(place)
    if wrong is None and newer is not None and is_better(newer, told):
        told.update(miou=newer.get("miou"), iter=newer["iter"])
    elif wrong is not None or newer is not None or not _same(place, kept):
        _copy_folder(kept, place)
        instead = wrong or (newer.get("miou") if newer else None)
        restored = {"miou": told.get("miou"), "iter": told.get("iter"), "instead_of": instead}
    write_json(run_dir / "kept" / "best.json", dict(told, attempt=attempt, kept=False))
    shutil.rmtree(str(kept), ignore_errors=True)
    return restored


def is_better(new: Json, old: Json) -> bool:
    """Whether the model of one "best" record is better than that of another. Nothing known of the old: the new is."""
    if old.get("miou") is None:
        return True
    return new.get("miou") is not None and bool(new["miou"] > old["miou"])


def _label_of(run_dir: Path, place: str, stage: str, last_attempt: int) -> Json:
    """Which model stands in `place` now."""
    told = read_json(run_dir / "kept" / "best.json") or {}
    if told.get("path") != place:
        told = {"path": place, "miou": None, "iter": None, "attempt": 0}
    _, newer = _newest_best(run_dir, stage, int(told["attempt"]))
    if newer is not None:
        told.update(miou=newer.get("miou"), iter=newer["iter"])
    return told


def _newest_best(run_dir: Path, stage: str, after: int) -> Tuple[int, Optional[Json]]:
    """The last model that an attempt after `after` called its best, and in which attempt; (after, None) without one.

    From metrics.jsonl, and from the attempt's own log: a supervisor that was killed has not read all of it.
    """
    found: Tuple[int, Optional[Json]] = (after, None)
    for record in _best_records(run_dir / "metrics.jsonl"):
        if int(record.get("attempt") or 1) > after:
            found = int(record.get("attempt") or 1), record
    for folder in (run_dir / "log").glob("{}-*".format(stage)):
        number = folder.name.rpartition("-")[2]
        if number.isdigit() and int(number) >= max(found[0], after + 1):
            last = _best_in_log(folder / "workerlog.0")
            if last is not None and (int(number) > found[0] or found[1] is None or last["iter"] > found[1]["iter"]):
                found = int(number), last
    return found


def _best_records(path: Path) -> List[Json]:
    found: List[Json] = []
    try:
        with open(str(path), "rb") as handle:
            for line in handle:
                if b'"best"' not in line:
                    continue
                try:
                    record = json.loads(line.decode("utf-8", "replace"))
                except ValueError:  # cut by a full disk
                    continue
                if isinstance(record, dict) and record.get("kind") == "best":
                    found.append(record)
    except OSError:
        pass
    return found


def _best_in_log(path: Path) -> Optional[Json]:
    try:
        with open(str(path), "rb") as handle:
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = handle.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    parser = Parser()
    found = [record for line in lines if "best validation" in line for record in parser.feed(line)]
    return found[-1] if found else None


def _same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same, as far as sizes and times tell (the copy has the times of its original)."""

    def look(folder: Path) -> List[object]:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
        return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in entries]

    return look(one) == look(other)


def _copy_folder(source: Path, target: Path) -> None:
    """A copy that is on disk before it gets its name. What stood there goes; killed between, nothing stands there."""
    part, old = (target.with_name(".{}.{}".format(target.name, word)) for word in ("part", "old"))
    for left in (part, old):
        if left.exists():
            shutil.rmtree(str(left))
    shutil.copytree(str(source), str(part), copy_function=_copy_file)
    sync_folder(part)
    if target.exists():
        os.rename(str(target), str(old))
    os.rename(str(part), str(target))
    sync_folder(target.parent)
    shutil.rmtree(str(old), ignore_errors=True)


def _copy_file(source: str, target: str) -> None:
    """A reflink where the file system knows them (Btrfs, XFS), else the bytes."""
    with open(source, "rb") as reading, open(target, "wb") as writing:
        try:
            fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
        except OSError:
            shutil.copyfileobj(reading, writing, 1024 * 1024)
        writing.flush()
        os.fsync(writing.fileno())
    shutil.copystat(source, target)
