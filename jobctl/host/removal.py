"""Taking things away so that nobody sees a half of them: renamed aside first, then removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List, NamedTuple, Optional

from .locks import open_lock_file, try_lock

GONE = ".gone-"
"""Begins the name of what is being removed; what a removal that was cut left goes with the next one."""

_TRANSFER_LOCK = ".transfer.lock"


class StillNeeded(Exception):
    """What was to go is needed after all; the message says by what."""


class Item(NamedTuple):
    """Something below the work_dir, and what is to become of it. `take_away` raises StillNeeded, OSError."""

    kind: str
    name: str  # relative to the work_dir
    size_bytes: int
    age_s: Optional[float]
    why: str
    take_away: Optional[Callable[[], None]] = None  # None: it stays
    number: int = 1


def put_aside(path: Path) -> Path:
    """Rename to a hidden name in the same folder; the new path."""
    aside = path.with_name("{}{}-{}".format(GONE, path.name[:200], os.getpid()))
    if aside.exists():
        remove(aside)
    os.rename(str(path), str(aside))
    return aside


def remove(path: Path) -> None:
    """A file, a link or a folder with all that is in it, read-only folders too. No link is followed. Raises OSError."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path), onerror=_again)
        else:
            path.unlink()
    except FileNotFoundError:
        pass


def _again(function: Callable[..., Any], path: str, error: Any) -> None:
    """A folder without the write bit keeps what is in it."""
    if issubclass(error[0], FileNotFoundError):
        return
    if not issubclass(error[0], PermissionError):
        raise error[1]
    folder = path if function in (os.scandir, os.listdir, os.open) else os.path.dirname(path)
    os.chmod(folder, stat.S_IRWXU)
    if folder == path:
        shutil.rmtree(path)
    else:
        function(path)


def size_of(path: Path, shared: bool = False) -> int:
    """Bytes on the disk of a file or a folder; with `shared` also of files that have other names elsewhere."""
    total = 0
    for file in _files(str(path)):
        try:
            info = os.lstat(file)
        except OSError:
            continue
        if stat.S_ISREG(info.st_mode) and (shared or info.st_nlink == 1):
            total += info.st_blocks * 512
    return total


def _files(path: str) -> Iterator[str]:
    if os.path.islink(path) or not os.path.isdir(path):
        yield path
    for folder, _, names in os.walk(path):
        for name in names:
            yield os.path.join(folder, name)


def entries(root: Path, folder: str, pattern: str) -> List[Path]:
    """What matches in a folder of the work_dir, which must be a folder and no link to one."""
    if (root / folder).is_symlink():
        return []
    found = (root / folder).glob(pattern)
    return sorted(path for path in found if not path.is_symlink() and not path.parent.is_symlink())


def age_of(path: Path, now: float) -> float:
    """Seconds since it was written to, renamed or linked."""
    try:
        info = os.lstat(str(path))
    except OSError:
        return 0.0
    return now - max(info.st_mtime, info.st_ctime)


def taker(path: Path) -> Callable[[], None]:
    """An item's `take_away`."""
    return lambda: remove(put_aside(path))


@contextmanager
def transferring(root: Path) -> Iterator[None]:
    """While files arrive or are laid out, nothing that runs share is taken away."""
    lock = open_lock_file(root / _TRANSFER_LOCK)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


@contextmanager
def no_transfer(root: Path) -> Iterator[bool]:
    """Keep transfers from beginning; False when one is going on, which is then not held up."""
    try:
        lock = open_lock_file(root / _TRANSFER_LOCK)
    except OSError:  # a quota without another file in it
        yield False
        return
    try:
        yield try_lock(lock)
    finally:
        os.close(lock)
