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
_EARLIER_RUNS = 5
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


def warnings_before(staged: Path, job: Json) -> List[Json]:
    """The `warnings` that a run begins with. `staged`: its folder in `staging/`; `job`: its job.json."""
    try:
        free = free_bytes_of(staged)
        earlier = _largest_before(staged.parent.parent / "runs", job)
    except OSError:
        return []
    at = round(time.time(), 3)
    return [{"at": at, "kind": "space", "text": text} for text in [space_words(free, earlier)] if text]


def space_words(free_bytes: int, earlier_bytes: int) -> Optional[str]:
    """What to say of the disk before a run. `earlier_bytes`: a checkpoint of an earlier run of the job, or 0."""
    if earlier_bytes and free_bytes < 3 * earlier_bytes:
        words = "an earlier run of this job has checkpoints of {} each, and {} is free on the host's disk"
        return words.format(size_words(earlier_bytes), size_words(free_bytes))
    if free_bytes < LOW_BYTES:
        return "only {} is free on the host's disk".format(size_words(free_bytes))
    return None


def _largest_before(runs: Path, job: Json) -> int:
    """The size of a checkpoint of earlier runs with the job's name, of the latest few."""
    checkpoints = [stage["checkpoints"] for stage in job["stages"] if stage.get("checkpoints")]
    if not checkpoints or not job.get("name"):
        return 0
    others = sorted(runs.glob("{}-*".format(job["name"])), reverse=True)[:_EARLIER_RUNS]
    now = time.time()
    return max((find_saved(other, one, now).newest_bytes for other in others for one in checkpoints), default=0)


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
