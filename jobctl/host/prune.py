"""`checkpoints.keep`: of the complete checkpoints of all attempts only the newest N stay.

PaddleSeg keeps the last `keep_checkpoint_max` of one launch, forgets those of earlier launches, and dies when it wants
to remove one that is gone (`shutil.rmtree` of it, 2.9.0). So while a training runs, only what it has not written itself
and will not write again is removed; the rest when its attempt is over.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set, Tuple

from .checkpoints import Checkpoint, iteration_of, read_checkpoint
from .files import Json
from .removal import GONE, put_aside, remove

_Stamp = Tuple[Tuple[str, int, int], ...]


def surplus(
    found: Sequence[Checkpoint], keep: int, resumed_at: int, before: Set[Path], running: bool
) -> List[Checkpoint]:
    """Which of the complete checkpoints go. Pure.

    `resumed_at`: the iteration that the attempt went on from, 0 for a start from nothing. `before`: those that are as
    they were when the attempt began. Once it has a complete one of its own, those of `before` with more iterations
    than it went on from were given up: they are older than what it writes. Until then nothing takes away what it went
    on from. The newest one always stays.
    """
    is_new = any(one.path not in before for one in found)
    given_up = {one.path for one in found if is_new and one.path in before and one.iteration > resumed_at}
    order = sorted(found, key=lambda one: (one.path not in given_up, one.iteration))
    old = [one for one in order[: max(0, len(order) - keep)] if is_new or one.iteration != resumed_at]
    if running:
        old = [one for one in old if one.path in before and one.iteration <= resumed_at]
    return old


class Pruning:
    """Removes surplus checkpoints for one attempt at a stage; `spec` is the stage's `checkpoints`."""

    def __init__(self, run_dir: Path, spec: Json, resumed_from: Optional[str]) -> None:
        self._run_dir = run_dir
        self._spec = spec
        self._resumed_at = iteration_of(resumed_from or "") or 0
        self._known: Dict[Path, Tuple[_Stamp, Optional[Checkpoint]]] = {}
        self._before = {folder: _stamp(folder) for folder in self._folders()}
        self._sweep()

    def prune(self, running: bool) -> List[str]:
        """Remove what is surplus now; the names of what went. A pull sees a checkpoint whole or not at all."""
        folders = {folder: _stamp(folder) for folder in self._folders()}
        keep = int(self._spec["keep"])
        if len(folders) <= keep:
            return []
        found = [one for one in (self._read(folder, stamp) for folder, stamp in folders.items()) if one is not None]
        before = {folder for folder, stamp in folders.items() if self._before.get(folder) == stamp}
        gone = []
        for one in surplus(found, keep, self._resumed_at, before, running):
            with suppress(OSError):  # removed meanwhile, or not ours to remove
                remove(put_aside(one.path))
                gone.append(one.name)
        return gone

    def _folders(self) -> List[Path]:
        """Those that look like checkpoints; what lies outside the run's folder, links lead there, is not touched."""
        inside = os.path.realpath(str(self._run_dir)) + os.sep
        found = []
        for path in self._run_dir.glob(self._spec["path"]):
            real = os.path.realpath(str(path))
            if iteration_of(path.name) is not None and not path.is_symlink() and path.is_dir():
                if real.startswith(inside) and not path.name.startswith("."):
                    found.append(Path(real))
        return sorted(set(found))

    def _read(self, folder: Path, stamp: _Stamp) -> Optional[Checkpoint]:
        """A checkpoint is read to its end once, not each time: it is as large as the model."""
        known = self._known.get(folder)
        if known is None or known[0] != stamp:
            known = self._known[folder] = (stamp, read_checkpoint(folder, self._spec["files"]))
        return known[1]

    def _sweep(self) -> None:
        """What a removal that was killed has left."""
        for parent in {folder.parent for folder in self._before}:
            for path in parent.glob(GONE + "*"):
                with suppress(OSError):
                    remove(path)


def _stamp(folder: Path) -> _Stamp:
    """Changes when a file of the checkpoint is written again."""
    try:
        rows = [(entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in os.scandir(str(folder))]
    except OSError:
        return ()
    return tuple(sorted(rows))
