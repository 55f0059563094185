"""A file that is arriving: its pieces in any order, from several processes at once, each written once and never lost.

    the content, with a hole where a piece is missing
    behind it one byte for each piece: 1 when the piece is there

So whoever is killed at whatever moment loses the piece that it was writing, and nothing else. A piece that is there is
never written to again; that is why it can be hashed while others still arrive. What a power cut takes although its byte
says that it is there, the hash finds. Used on both sides: by what is sent up and by what is pulled.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import threading
from typing import Iterator, List, Optional, Tuple

PIECE = 256 << 10
_READ = 4 * PIECE
_ZEROS = bytes(_READ)

Range = Tuple[int, int]
"""From this byte on, up to but not with that one."""


class Overtaken(Exception):
    """Another process has finished the same file, or found it to be wrong."""


class Partial:
    """`size` and `sha256` are those of the whole content. Safe for use by several threads and processes.

    Raises OSError, ELOOP where a link stands in its place.
    """

    def __init__(self, path: str, size: int, sha256: str) -> None:
        self.size = size
        self._path = path
        self._sha256 = sha256
        self._count = -(-size // PIECE)
        self._lock = threading.Lock()
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._room = bytearray(min(_READ, size))
        self._fd = self._open()

    def _open(self) -> int:
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with _flock(fd):
                    if _is_at(fd, self._path):
                        self._prepare(fd)
                        return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # it got its final name between our two looks

    def _prepare(self, fd: int) -> None:
        found = os.fstat(fd).st_size
        if found == self.size and self._count:  # whole; killed between the last two steps of `finish`
            self._pwrite(b"\1" * self._count, self.size, fd)
        elif found != self.size + self._count:
            os.ftruncate(fd, 0)
            os.ftruncate(fd, self.size + self._count)

    def missing(self) -> List[Range]:
        """What is not here yet, in order."""
        marks = os.pread(self._fd, self._count, self.size)
        return [
            (hole.start() * PIECE, min(hole.end() * PIECE, self.size))
            for hole in re.finditer(b"\\0+", marks.ljust(self._count, b"\0"))
        ]

    def put(self, offset: int, data: memoryview) -> None:
        """One or more whole pieces, from `offset` on; the last of a file is shorter. What is here stays as it is.

        Raises Overtaken, OSError.
        """
        first, count = self._pieces(offset, len(data))
        with self._alone():
            marks = os.pread(self._fd, count, self.size + first)
            if not any(marks):
                self._pwrite(data, offset)
            else:
                for index in range(count):
                    if not marks[index]:
                        self._pwrite(data[index * PIECE : (index + 1) * PIECE], offset + index * PIECE)
            self._pwrite(b"\1" * count, self.size + first)

    def put_zeros(self, offset: int, length: int) -> None:
        """The same for pieces that are nothing but zeros: they stay a hole."""
        first, count = self._pieces(offset, length)
        with self._alone():
            marks = os.pread(self._fd, count, self.size + first)
            for index in range(0 if self._is_hole(offset, length) else count):
                at = offset + index * PIECE
                if not marks[index]:
                    here = os.pread(self._fd, min(PIECE, self.size - at), at)
                    if here != _ZEROS[: len(here)]:  # half a piece, of an attempt that was cut
                        self._pwrite(_ZEROS[: len(here)], at)
            self._pwrite(b"\1" * count, self.size + first)

    def hash_on(self) -> bool:
        """Hash what has come behind what is hashed already. True: that was the end. One thread at a time.

        Raises Overtaken, OSError.
        """
        while self._hashed < self.size:
            first = self._hashed // PIECE
            marks = os.pread(self._fd, min(_READ // PIECE, self._count - first), self.size + first)
            if not marks:
                raise Overtaken()
            here = len(marks) - len(marks.lstrip(b"\1"))
            if not here:
                return False
            room = memoryview(self._room)[: min(here * PIECE, self.size - self._hashed)]
            read = os.preadv(self._fd, [room], self._hashed)  # one buffer: new ones cost page faults
            self._digest.update(room[:read])
            self._hashed += read
        return True

    def verify(self) -> bool:
        """When all is hashed: whether it is what was announced. If not, nothing is left of it."""
        if self._hashed == self.size and self._digest.hexdigest() == self._sha256:
            return True
        self.discard()
        return False

    def finish(self, target: str, mode: int, sync: bool, mtime: Optional[int] = None) -> None:
        """Put what is verified under its final name; `sync`: make it durable first. Raises Overtaken, OSError."""
        if sync:
            os.fsync(self._fd)
        with self._alone():
            os.fchmod(self._fd, mode)
            os.ftruncate(self._fd, self.size)
            if mtime is not None:
                os.utime(self._fd, (mtime, mtime))
            os.rename(self._path, target)

    def discard(self) -> None:
        """Nothing is left of it."""
        with contextlib.suppress(Overtaken, FileNotFoundError), self._alone():
            os.unlink(self._path)

    def close(self) -> None:
        """What is here stays, for the next attempt. Whoever still puts something is told that it is Overtaken."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def _pieces(self, offset: int, length: int) -> Tuple[int, int]:
        first, count = offset // PIECE, -(-length // PIECE)
        whole = offset % PIECE == 0 and (length % PIECE == 0 or offset + length == self.size)
        if not whole or length <= 0 or offset + length > self.size:
            raise ValueError("not whole pieces: %d bytes from %d on" % (length, offset))
        return first, count

    def _is_hole(self, offset: int, length: int) -> bool:
        try:
            return os.lseek(self._fd, offset, os.SEEK_DATA) >= offset + length
        except OSError:  # ENXIO: nothing but a hole from there on. Others: a file system that does not tell
            return False

    def _pwrite(self, data: object, offset: int, fd: Optional[int] = None) -> None:
        view = memoryview(data)  # type: ignore[arg-type]
        while view:
            written = os.pwrite(self._fd if fd is None else fd, view, offset)
            view, offset = view[written:], offset + written

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            if self._fd < 0:
                raise Overtaken()
            with _flock(self._fd):
                if not _is_at(self._fd, self._path):
                    raise Overtaken()
                yield


class PartialReader:
    """The beginning of a file that others fill, as far as it goes without a gap. Raises OSError where there is none."""

    def __init__(self, path: str, size: int) -> None:
        self._size = size
        self._over = False
        self._file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def read(self, at: int, size: int) -> bytes:
        """What is there from `at` on, at most `size` bytes; b"" where there is nothing, or nothing yet."""
        info = os.fstat(self._file)
        if info.st_size == self._size:  # it has its final name
            self._over = True
            return os.pread(self._file, size, at)
        self._over = info.st_nlink == 0
        first = at // PIECE
        marks = os.pread(self._file, -(-(at + size) // PIECE) - first, self._size + first)
        here = (first + len(marks) - len(marks.lstrip(b"\1"))) * PIECE
        return os.pread(self._file, max(0, min(at + size, here, self._size) - at), at)

    def is_growing(self) -> bool:
        """Whether more may have come since `read` found nothing."""
        return not self._over

    def close(self) -> None:
        os.close(self._file)


@contextlib.contextmanager
def _flock(fd: int) -> Iterator[None]:
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _is_at(fd: int, path: str) -> bool:
    """Whether the open file still has this name."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False
