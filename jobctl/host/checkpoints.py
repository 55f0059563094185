"""The checkpoints of a stage: which there are, and which are complete. None is ever loaded: no code of one runs.

PaddleSeg writes `iter_N/` file by file, in place (2.9.0): what was killed meanwhile leaves a folder that looks like any
other, and only says so when it is loaded ("`paddle.load` can not parse the file").
"""

from __future__ import annotations

import glob
import os
import pickletools
import re
import struct
import zipfile
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

from .files import Json

_PICKLE, _ZIP = b"\x80", b"PK\x03\x04"
_ITERATION = re.compile(r"_([0-9]{1,15})\Z")


class Checkpoint(NamedTuple):
    """A complete checkpoint."""

    path: Path
    iteration: int
    written_at: float

    @property
    def name(self) -> str:
        return self.path.name


def iteration_of(name: str) -> Optional[int]:
    """The number after the last "_", as PaddleSeg reads it; None where there is none."""
    found = _ITERATION.search(name)
    return int(found.group(1)) if found else None


def choose(found: Sequence[Checkpoint], iters: Optional[int], wanted: Optional[Json]) -> Optional[Checkpoint]:
    """The one to go on from: of most iterations, but fewer than `iters` (PaddleSeg 2.9.0 crashes from there on).

    `wanted` is what somebody asked for, {"path", "iteration", "at"}: then it, or one that was written after that.
    """
    fit = [one for one in found if iters is None or one.iteration < iters]
    if wanted is not None:
        fit = [one for one in fit if str(one.path) == wanted["path"] or one.written_at > wanted["at"]]
    return max(fit, key=lambda one: (one.iteration, one.written_at)) if fit else None


def complete_checkpoints(run_dir: Path, spec: Json) -> List[Checkpoint]:
    """Those of a stage's `checkpoints` that are complete, newest first."""
    folders = glob.glob(os.path.join(glob.escape(str(run_dir)), spec["path"]))
    found = [read_checkpoint(Path(folder), spec["files"]) for folder in folders]
    return sorted((one for one in found if one is not None), key=lambda one: -one.iteration)


def read_checkpoint(folder: Path, files: Sequence[str]) -> Optional[Checkpoint]:
    """The checkpoint in `folder`; None when it is not complete, or has no number."""
    iteration = iteration_of(folder.name)
    if iteration is None or defect_of(folder, files) is not None:
        return None
    try:
        return Checkpoint(folder, iteration, max((folder / name).stat().st_mtime for name in files))
    except OSError:  # the training has just deleted it
        return None


def defect_of(folder: Path, files: Sequence[str] = ()) -> Optional[str]:
    """What is wrong with a model's folder; None when `files` are in it, and everything in it is whole."""
    try:
        names = sorted(name for name in os.listdir(str(folder)) if not name.startswith("."))
    except OSError as error:
        return "{}: {}".format(folder.name, error.strerror)
    for name in files:
        if name not in names:
            return "it has no {}".format(name)
    if not names:
        return "it is empty"
    for name in names:  # all: 2.9.1 adds model.pdstates
        if (folder / name).is_file():
            wrong = _defect_of_file(folder / name)
            if wrong is not None:
                return "{} {}".format(name, wrong)
    return None


def _defect_of_file(path: Path) -> Optional[str]:
    try:
        with open(str(path), "rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            head = handle.read(4)
            if not head:
                return "is empty"
            handle.seek(0)
            if head.startswith(_PICKLE):
                for _ in pickletools.genops(handle):
                    pass
                return None if handle.tell() == size else "has {} bytes after its end".format(size - handle.tell())
        if head == _ZIP:
            with zipfile.ZipFile(str(path)) as archive:
                broken = archive.testzip()
            return None if broken is None else "is damaged at {}".format(broken)
    except OSError as error:
        return "cannot be read: {}".format(error.strerror)
    except (ValueError, EOFError, OverflowError, MemoryError, struct.error, zipfile.BadZipFile):
        return "is cut off or damaged"
    return None
