"""Logs that grow for weeks: their old parts are compressed beside them, and every offset stays valid.

A stage's processes append to its log through a descriptor that they inherited, so the file can neither be renamed nor
cut. Its oldest bytes are written to `<log>.d/<start>-<end>.gz`; then a hole is punched where they were, which gives
their blocks back to the disk and changes neither size nor offsets. Where the file system cannot do that (NFS before
4.2, for one) the log stays whole. Whoever reads a log, reads it with `RotatedLog`.
"""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path
from typing import BinaryIO, List, NamedTuple, Optional, Tuple, cast

from .files import sync_folder

LIVE_BYTES = 64 << 20
SEGMENT_BYTES = 16 << 20  # a multiple of any file system's blocks: only whole ones are given back
_PIECE = 1 << 20
_NAME = re.compile(r"(\d+)-(\d+)\.gz\Z")
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h


class Segment(NamedTuple):
    """Bytes `start` to `end` of a log, in `path`."""

    start: int
    end: int
    path: Path


class Rotation:
    """Keeps logs below a size. `live_bytes`: what a log may hold uncompressed; `segment_bytes`: archived at once."""

    def __init__(self, live_bytes: int = LIVE_BYTES, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._live_bytes = live_bytes
        self._segment_bytes = segment_bytes
        self._refused = False

    def tend(self, log: Path) -> bool:
        """Archive at most one segment of `log`; True when it did. Raises OSError (ENOSPC): it is as it was."""
        try:
            size = log.stat().st_size
        except FileNotFoundError:
            return False
        if self._refused or size <= self._live_bytes:
            return False
        start = _archived_end(log)
        end = start + self._segment_bytes
        if size - start <= self._live_bytes or end > size:
            return False
        if not _can_punch(log.parent):
            self._refused = True
            return False
        _archive(log, start, end)
        with open(str(log), "r+b") as handle:
            _punch(handle.fileno(), end)  # from 0: whoever was killed before his punch left one to do
        return True


class RotatedLog:
    """A log that may have been rotated, as its writers wrote it: reads from any offset, whatever lies where."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: Optional[Tuple[Segment, BinaryIO]] = None

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on; fewer at the end and between segments, none at the end only.

        Raises FileNotFoundError, and OSError for a segment that is damaged.
        """
        with open(str(self._path), "rb") as handle:
            handle.seek(offset)
            live = handle.read(size)
        # Segments second: one that is not there now had not been punched out when its bytes were read.
        for segment in segments(self._path):
            if segment.start <= offset < segment.end:
                return self._from(segment, offset, min(size, segment.end - offset))
            if offset < segment.start < offset + len(live):
                return live[: segment.start - offset]
        return live

    def read_whole(self, offset: int, size: int) -> bytes:
        """`size` bytes, fewer only where the log ends."""
        pieces = []
        while size:
            piece = self.read(offset, size)
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _from(self, segment: Segment, offset: int, size: int) -> bytes:
        if self._open is None or self._open[0] != segment:
            self.close()
            self._open = (segment, _unpacked(segment.path))
        handle = self._open[1]
        try:
            handle.seek(offset - segment.start)  # cheap as long as it goes forward
            found = handle.read(size)
        except (EOFError, zlib.error):
            found = b""
        if len(found) != size:
            raise OSError("a compressed part of the log is damaged: {}".format(segment.path))
        return found

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
        self._open = None


def _unpacked(path: Path) -> BinaryIO:
    import gzip

    return cast(BinaryIO, gzip.open(str(path), "rb"))


def segments(log: Path) -> List[Segment]:
    """What was archived of `log`, in order."""
    folder = _folder(log)
    try:
        names = os.listdir(str(folder))
    except OSError:
        return []
    found = [(match, name) for match, name in ((_NAME.match(name), name) for name in names) if match]
    return sorted(Segment(int(match.group(1)), int(match.group(2)), folder / name) for match, name in found)


def _folder(log: Path) -> Path:
    return log.with_name(log.name + ".d")


def _archived_end(log: Path) -> int:
    there = segments(log)
    return there[-1].end if there else 0


def _archive(log: Path, start: int, end: int) -> None:
    import gzip  # most logs stay small, and a supervisor's memory and start count

    folder = _folder(log)
    folder.mkdir(exist_ok=True, mode=0o700)
    target = folder / "{}-{}.gz".format(start, end)
    beside = folder / ".{}.part".format(target.name)
    try:
        with open(str(beside), "wb") as raw:
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=5, mtime=0) as packed:
                _copy(log, start, end, cast(BinaryIO, packed))
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(str(beside), str(target))
    except BaseException:
        if beside.exists():
            beside.unlink()
        raise
    sync_folder(folder)


def _copy(log: Path, start: int, end: int, sink: BinaryIO) -> None:
    with open(str(log), "rb") as source:
        source.seek(start)
        while start < end:
            piece = source.read(min(_PIECE, end - start))
            if not piece:
                raise OSError("{} has become shorter".format(log))
            sink.write(piece)
            start += len(piece)


def _punch(descriptor: int, end: int) -> None:
    """Give the blocks from 0 to `end` back. Raises OSError (EOPNOTSUPP)."""
    import ctypes  # slow to import, and most logs stay small

    libc = ctypes.CDLL(None, use_errno=True)
    fallocate = getattr(libc, "fallocate64", None) or libc.fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, 0, end) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _can_punch(folder: Path) -> bool:
    """Whether the file system can, tried on a file of our own: a log is not to be compressed in vain."""
    probe = folder / ".punch.{}.part".format(os.getpid())
    try:
        with open(str(probe), "wb") as handle:
            handle.write(b"\1" * (64 << 10))
            handle.flush()
            _punch(handle.fileno(), 64 << 10)
    except (OSError, AttributeError):
        return False
    finally:
        if probe.exists():
            probe.unlink()
    return True
