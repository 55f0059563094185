"""File contents by hash, shared by all runs and datasets below one work_dir.

    objects/<aa>/<sha256>      a file
    objects/<aa>/<sha256>x     the same with the executable bits (a hard link shares its mode, so these are two objects)

An object is trusted without reading it when its modification time is SETTLED: that is set only after the file system
was told to write everything down. One that was left by a cut transfer, a crash, or that somebody changed in place has
another time; it is read again, and dropped when it is not what its name says.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import itertools
import os
import shutil
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Set, Tuple

from .incoming import Growing, GrowingFile, Incoming, write_all
from .partial import PartialReader

SETTLED = 946684800  # 2000-01-01, seconds since the epoch
VERIFIED = SETTLED - 1
"""The time of an object that was checked when it came and is not settled yet; trusted by who has seen it come."""
_CHUNK = 1 << 20
_FEW = 16  # files that are synced one by one, which leaves what else is to be written on the disk alone
_FICLONE = 0x40049409  # linux/fs.h; Btrfs, XFS


class ObjectStore:
    def __init__(self, root: Path) -> None:
        self._folder = root / "objects"
        self._arrival = threading.Condition()
        self._growing: Dict[Path, Incoming] = {}
        self._fresh: Set[str] = set()
        self._settling: List[threading.Thread] = []
        self._number = itertools.count()

    def path(self, sha256: str, executable: bool = False) -> Path:
        return Path(self._path(sha256, executable))

    def _path(self, sha256: str, executable: bool) -> str:
        return "%s/%s/%s%s" % (self._folder, sha256[:2], sha256, "x" if executable else "")

    def has(self, sha256: str, size: int, executable: bool = False) -> bool:
        """Whether the object is there and is what its name says."""
        path = self._path(sha256, executable)
        try:
            info = os.lstat(path)
        except OSError:
            return self._copy_other_mode(sha256, size, executable)
        if stat.S_ISREG(info.st_mode) and info.st_size == size:
            if info.st_mtime == SETTLED or path in self._fresh:
                return True
            if hash_file(Path(path)) == sha256:
                self.note_fresh(path)
                return True
        os.unlink(path)
        return False

    def is_fresh(self, sha256: str, executable: bool) -> bool:
        """This process knows that it is what its name says."""
        return self._path(sha256, executable) in self._fresh

    def note_fresh(self, path: str) -> None:
        """An object of which this process knows that it is what its name says."""
        self._fresh.add(path)

    def _copy_other_mode(self, sha256: str, size: int, executable: bool) -> bool:
        """The same content with the other mode may be there; then it need not travel again."""
        other = self.path(sha256, not executable)
        if not other.is_file() or not self.has_exact(other, size):
            return False
        incoming = Incoming(self, sha256, size, executable)
        with open(str(other), "rb") as source:
            for piece in iter(lambda: source.read(_CHUNK), b""):
                incoming.write(piece)
        return incoming.finish()

    @staticmethod
    def has_exact(path: Path, size: int) -> bool:
        return os.stat(str(path)).st_size == size

    def arriving(self, sha256: str, executable: bool) -> Path:
        """Where the pieces of a large object are put as they come, over several connections: a `Partial`."""
        path = self.path(sha256, executable)
        return path.with_name(".arriving-" + path.name)

    def is_coming(self, sha256: str, executable: bool) -> bool:
        """Whether it is here, or in part."""
        path = self.path(sha256, executable)
        return path in self._growing or path.exists() or self.arriving(sha256, executable).exists()

    def open_growing(self, sha256: str, executable: bool, size: int) -> Optional[Growing]:
        """An object to be read while it is still received, or as it is; None: nothing of it is here."""
        path = self.path(sha256, executable)
        incoming = self._growing.get(path)
        with contextlib.suppress(OSError):
            return GrowingFile(str(path) if incoming is None else incoming.beside, incoming)
        with contextlib.suppress(OSError):
            return PartialReader(str(self.arriving(sha256, executable)), size)
        return None

    def wait(self, timeout_s: float) -> None:
        """Until more of an object has come, or the time is over."""
        with self._arrival:
            self._arrival.wait(timeout_s)

    def tell_more(self) -> None:
        """More objects are here."""
        with self._arrival:
            self._arrival.notify_all()

    def tell(self, path: Path, incoming: Incoming) -> None:
        """More has come of an object, or nothing more will come."""
        with self._arrival:
            if incoming.is_open:
                self._growing[path] = incoming
            elif self._growing.get(path) is incoming:
                del self._growing[path]
            self._arrival.notify_all()

    def add(self, sha256: str, executable: bool, content: bytes) -> bool:
        """A small object that came whole. False, and nothing is left of it, where it is not what was announced."""
        if hashlib.sha256(content).hexdigest() != sha256:
            return False
        path = self._path(sha256, executable)
        # A counter instead of mkstemp's random names: half of the time that a small file took (Python 3.11).
        beside = "%s/.incoming-%d-%d" % (os.path.dirname(path), os.getpid(), next(self._number))
        mode = 0o555 if executable else 0o444
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                write_all(handle, content, beside)
                os.fchmod(handle, mode)
            finally:
                os.close(handle)
            os.rename(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
        self._fresh.add(path)
        return True

    def settle_later(self, contents: Iterable[Tuple[str, bool]]) -> None:
        """Make new objects durable, then mark them as trusted, while the laptop goes on.

        The disk may have much else to write down: gigabytes of somebody's checkpoints. Where the host goes down, or
        this process ends, before that is done, the objects are read again before they are trusted.
        """
        paths = [self._path(sha256, executable) for sha256, executable in contents]
        self.later(lambda: self._settle(paths))

    def later(self, work: Callable[[], None]) -> None:
        """Beside what the laptop asks for; see `wait_settled`."""
        thread = threading.Thread(target=work, name="settle")
        self._settling = [before for before in self._settling if before.is_alive()] + [thread]
        thread.start()

    def wait_settled(self, timeout_s: float) -> None:
        """Until what was begun is done, or the time is over."""
        end = time.monotonic() + timeout_s
        for thread in self._settling:
            thread.join(max(0.0, end - time.monotonic()))

    def _settle(self, paths: List[str]) -> None:
        with contextlib.suppress(OSError):  # what could not be settled is read again
            fresh = [path for path in paths if os.stat(path).st_mtime != SETTLED]
            if len(fresh) > _FEW:
                sync_file_system(self._folder)
            else:
                for path in fresh:
                    sync_file(path)
            for path in fresh:
                os.utime(path, (SETTLED, SETTLED))

    def link(self, sha256: str, executable: bool, target: str) -> None:
        """Give an object a name outside the store: a hard link, or a copy where the file system has none."""
        source = self._path(sha256, executable)
        try:
            os.link(source, target)
        except OSError:
            if not os.path.exists(source):
                raise
            shutil.copy2(source, target)

    def copy(self, sha256: str, executable: bool, target: str) -> None:
        """A file of its own with an object's content; its blocks are shared until they are written to, where the file
        system can do that.
        """
        with open(self._path(sha256, executable), "rb") as source, open(target, "xb") as file:
            try:
                fcntl.ioctl(file.fileno(), _FICLONE, source.fileno())
            except OSError:
                shutil.copyfileobj(source, file, _CHUNK)
            os.fchmod(file.fileno(), 0o555 if executable else 0o444)


def hash_file(path: Path, size: Optional[int] = None) -> str:
    """SHA-256 of a file's content, or of its first `size` bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    left = sys.maxsize if size is None else size
    with open(str(path), "rb") as file:
        while left:
            piece = file.read(min(_CHUNK, left))
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def sync_file(path: str) -> None:
    """fsync(2)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file_system(folder: Path) -> None:
    """syncfs(2) on the file system that holds `folder`: one call instead of an fsync for each of thousands of files."""
    handle = os.open(str(folder), os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(handle) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    except AttributeError:  # a libc without syncfs
        os.sync()
    finally:
        os.close(handle)


def remove_leftovers(root: Path, older_than: float) -> None:
    """Remove what transfers and layouts that were cut before `older_than` (seconds since the epoch) left behind."""
    for pattern in ("objects/??/.incoming-*", "datasets/*/.*"):
        for path in root.glob(pattern):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime >= older_than:
                    continue
                if path.is_dir():
                    shutil.rmtree(str(path))
                else:
                    path.unlink()
