"""An object that is being received: by whom it is written, and by whom it may be read meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from typing import TYPE_CHECKING, Optional, Union

from .partial import PartialReader

if TYPE_CHECKING:
    from .objects import ObjectStore


class GrowingFile:
    """A file that may still be written to at its end. Raises OSError where it is not there (any more)."""

    def __init__(self, path: str, incoming: Optional[Incoming]) -> None:
        self._incoming = incoming
        self._over = False
        self._file = os.open(path, os.O_RDONLY)

    def read(self, at: int, size: int) -> bytes:
        """What is there from `at` on, at most `size` bytes; b"" where there is nothing, or nothing yet."""
        self._over = self._incoming is None or not self._incoming.is_open
        return os.pread(self._file, size, at)

    def is_growing(self) -> bool:
        """Whether more may have come since `read` found nothing."""
        return not self._over

    def close(self) -> None:
        os.close(self._file)


Growing = Union[GrowingFile, PartialReader]


class Incoming:
    """An object that is being received: written beside, hashed on the way, renamed when whole."""

    def __init__(self, store: ObjectStore, sha256: str, size: int, executable: bool) -> None:
        self._store = store
        self._target = store.path(sha256, executable)
        self._want = (sha256, size)
        self._mode = 0o555 if executable else 0o444
        self._hash = hashlib.sha256()
        self._size = 0
        self.is_open = True
        self._target.parent.mkdir(parents=True, exist_ok=True)
        handle, self.beside = tempfile.mkstemp(prefix=".incoming-", dir=str(self._target.parent))
        self._file = os.fdopen(handle, "wb", buffering=0)
        store.tell(self._target, self)

    def write(self, data: bytes) -> None:
        write_all(self._file.fileno(), data, self.beside)
        self._hash.update(data)
        self._size += len(data)
        self._store.tell(self._target, self)

    def finish(self) -> bool:
        """True when the content is what was announced; otherwise nothing is left of it."""
        try:
            self._file.close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.beside) from None
        if (self._hash.hexdigest(), self._size) != self._want:
            self.discard()
            return False
        os.chmod(self.beside, self._mode)
        os.rename(self.beside, str(self._target))
        self._store.note_fresh(str(self._target))
        self._end()
        return True

    def discard(self) -> None:
        self._end()
        with contextlib.suppress(OSError):
            self._file.close()
        if os.path.exists(self.beside):
            os.unlink(self.beside)

    def _end(self) -> None:
        self.is_open = False
        self._store.tell(self._target, self)


def write_all(handle: int, content: bytes, path: str) -> None:
    """Raises OSError that names the file."""
    left = memoryview(content)
    try:
        while left:
            left = left[os.write(handle, left) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None  # write(2)'s error names no file
