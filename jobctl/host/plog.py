"""CANN's own log (plog) of an attempt. It holds the first error behind a code such as 500002 or EZ9999.

CANN writes below ASCEND_PROCESS_LOG_PATH, `debug/plog/plog-<pid>_<time>.log` and `run/plog/...`; without that variable
into the home of the user, where runs mix. That is from CANN's documents: no NPU was at hand. Kept where an attempt
failed, bounded in size; it goes with one that succeeded. It may quote paths and names, so nobody else may look in.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import List, Tuple

VARIABLE = "ASCEND_PROCESS_LOG_PATH"
MOST_BYTES = 64 << 20
LARGEST_BYTES = 8 << 20


def folder(run_dir: Path, stage: str, attempt: int) -> Path:
    """Where an attempt's plog is. Not in Paddle's log directory, which only distributed steps have."""
    return run_dir / "log" / "{}-{}.plog".format(stage, attempt)


def prepare(path: Path) -> str:
    """Make the folder; the value of the variable. On a disk that is full CANN finds no folder and writes nothing."""
    try:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.mkdir(exist_ok=True, mode=0o700)
    except OSError:
        pass
    return str(path)


def settle(run_dir: Path, stage: str, attempt: int, failed: bool) -> None:
    """After an attempt: nothing of it where it succeeded, else at most MOST_BYTES, the oldest lines of each file."""
    path = folder(run_dir, stage, attempt)
    if not path.is_dir() or path.is_symlink():
        return
    if not failed:
        shutil.rmtree(str(path), ignore_errors=True)
        return
    left = MOST_BYTES
    for file in files(path):
        try:
            size = file.stat().st_size
            if size > min(left, LARGEST_BYTES):
                os.truncate(str(file), min(left, LARGEST_BYTES))
            left -= min(size, left, LARGEST_BYTES)
        except OSError:
            continue


def files(path: Path) -> List[Path]:
    """Its log files, those with errors (`debug`) first, then by time."""
    found = [one for one in path.rglob("*.log") if one.is_file() and not one.is_symlink()]

    def order(one: Path) -> Tuple[bool, bool, float, str]:
        return "debug" not in one.parts, "device" in one.name, one.stat().st_mtime, one.name

    return sorted(found, key=order)
