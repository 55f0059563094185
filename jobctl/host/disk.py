"""Whether the next checkpoints will fit on the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Tuple

from .files import Json

_RESERVE = 1.2  # the next checkpoint may be larger, and is not all that is written
_SETTLED_S = 15.0
_KEPT_BY_PADDLESEG = 5  # keep_checkpoint_max, unless it is told otherwise
LOW_BYTES = 5 * 1000**3


class Forecast(NamedTuple):
    """What the next checkpoints need. `bad`: not even the next one fits."""

    bad: bool
    text: str


class Saved(NamedTuple):
    """The checkpoints of a stage: how many complete ones, the newest one's size, whether one is being written."""

    complete: int
    newest_bytes: int
    settled: bool


def forecast(saved: Saved, free_bytes: int, kept: int) -> Optional[Forecast]:
    """None: all is well, or nothing can be said yet. `kept`: after so many, each new one replaces an old one."""
    if not (saved.complete and saved.newest_bytes and saved.settled):
        return None
    need = int(saved.newest_bytes * _RESERVE)
    fit = free_bytes // need
    words = "a checkpoint needs {}, {} is free".format(size_words(need), size_words(free_bytes))
    if fit < 1:
        return Forecast(True, "the next checkpoint would not fit on the disk: " + words)
    if fit < 2 and saved.complete < kept:
        return Forecast(False, "the disk has room for one more checkpoint: " + words)
    return None


def look(run_dir: Path, checkpoints: Json) -> Optional[Forecast]:
    """The forecast for a stage with `checkpoints` (job.json) and the disk that its run is on."""
    saved = find_saved(run_dir, checkpoints, time.time())
    kept = int(checkpoints.get("keep") or _KEPT_BY_PADDLESEG)
    return forecast(saved, free_bytes_of(run_dir), kept)


def find_saved(run_dir: Path, checkpoints: Json, now: float) -> Saved:
    """Look through the checkpoints' folders. Complete is here: every file is there and none is empty."""
    newest: Tuple[float, int] = (0.0, 0)
    count, changed_at = 0, 0.0
    for folder in run_dir.glob(checkpoints["path"]):
        sizes, times = [0], [0.0]
        for info in _files(folder):
            sizes.append(info.st_size)
            times.append(info.st_mtime)
        changed_at = max(changed_at, *times)
        if all(_has(folder / name) for name in checkpoints.get("files") or []):
            count += 1
            newest = max(newest, (max(times), sum(sizes)))
    return Saved(count, newest[1], abs(now - changed_at) > _SETTLED_S)


def free_bytes_of(folder: Path) -> int:
    """What this user may still write to the disk of `folder`."""
    info = os.statvfs(str(folder))
    return info.f_bavail * info.f_frsize


def size_words(size_bytes: float) -> str:
    """`812 MB`, `1.4 GB`: powers of 1000."""
    if size_bytes < 1000:
        return "{:.0f} B".format(size_bytes)
    for unit in ("kB", "MB", "GB"):
        size_bytes /= 1000
        if size_bytes < 1000:
            return "{:.1f} {}".format(size_bytes, unit)
    return "{:.1f} TB".format(size_bytes / 1000)


def warnings_before(run_dir: Path, checkpoints: List[Json], others: List[Path]) -> List[str]:
    """What to tell of the disk before a run begins. `others`: run directories of earlier runs of the same job."""
    free = free_bytes_of(run_dir)
    now = time.time()
    largest = max((find_saved(other, one, now).newest_bytes for other in others for one in checkpoints), default=0)
    if largest and free < 3 * largest:
        words = "an earlier run of this job has checkpoints of {} each, and {} is free on the host's disk"
        return [words.format(size_words(largest), size_words(free))]
    if free < LOW_BYTES:
        return ["only {} is free on the host's disk".format(size_words(free))]
    return []


def _files(folder: Path) -> Iterator[os.stat_result]:
    try:
        with os.scandir(str(folder)) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False)
    except OSError:  # removed meanwhile: PaddleSeg keeps only so many
        return


def _has(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
