"""The checkpoints of a run, and its best model, as a laptop brings them: only those that are complete.

Complete is what `checkpoints` says of the files. That is asked once for each state of a folder, by this process.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from .checkpoints import defect_of, iteration_of
from .control import read_job
from .files import Json
from .objects import hash_file

State = Tuple[Tuple[str, int, int, int], ...]
"""Name, size, time of change and inode of each file of a folder."""

_judged: Dict[str, Tuple[State, bool]] = {}
_hashed: Dict[Tuple[str, int, int, int], str] = {}


def specs(run_dir: Path) -> List[Json]:
    """What the stages say of their checkpoints."""
    job = read_job(run_dir) or {}
    found = [stage.get("checkpoints") for stage in job.get("stages", []) if isinstance(stage, dict)]
    return [spec for spec in found if isinstance(spec, dict)]


def _folders(run_dir: Path) -> Iterator[Tuple[Path, Sequence[str]]]:
    """Model folders, with the files that must be in them."""
    for spec in specs(run_dir):
        for folder in sorted(glob.glob(os.path.join(glob.escape(str(run_dir)), spec["path"]))):
            if iteration_of(os.path.basename(folder)) is not None and os.path.isdir(folder):
                yield Path(folder), spec["files"]
        if spec.get("best") and (run_dir / spec["best"]).is_dir():
            yield run_dir / spec["best"], ()


def _state(folder: Path) -> State:
    rows = []
    for name in sorted(os.listdir(str(folder))):
        info = os.stat(str(folder / name))
        rows.append((str(folder / name), info.st_size, info.st_mtime_ns, info.st_ino))
    return tuple(rows)


def _complete_state(folder: Path, files: Sequence[str]) -> Optional[State]:
    """The state of a folder that is complete; None where it is not, or changes just now."""
    try:
        state = _state(folder)
        if _judged.get(str(folder), (None, False))[0] != state:
            _judged[str(folder)] = (state, defect_of(folder, files) is None)
        return state if _judged[str(folder)][1] and _state(folder) == state else None
    except OSError:  # the training has just deleted it
        return None


def half(run_dir: Path) -> Set[str]:
    """Folders of the run, relative to it, that look like a checkpoint and are none yet, or none any more."""
    return {
        folder.relative_to(run_dir).as_posix()
        for folder, files in _folders(run_dir)
        if _complete_state(folder, files) is None
    }


def rows(run_dir: Path) -> List[List[Any]]:
    """[path, "f", size in bytes, SHA-256, folder] of the files of all that is complete."""
    found: List[List[Any]] = []
    for folder, files in _folders(run_dir):
        state = _complete_state(folder, files)
        if state is None:
            continue
        try:
            hashes = [_hash(row) for row in state if os.path.isfile(row[0])]
            if _state(folder) != state:
                continue
        except OSError:
            continue
        name = folder.relative_to(run_dir).as_posix()
        for (path, size, _, _), sha256 in zip([row for row in state if os.path.isfile(row[0])], hashes):
            found.append([Path(path).relative_to(run_dir).as_posix(), "f", size, sha256, name])
    return found


def _hash(row: Tuple[str, int, int, int]) -> str:
    if row not in _hashed:
        _hashed[row] = hash_file(Path(row[0]), row[1])
    return _hashed[row]
