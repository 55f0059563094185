"""Where in a run's logs to begin: so many lines before the end, or at a time."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .frames import CHUNK
from .rotate import RotatedLog
from .server import OpError

# At the beginning of a line: "2026-11-23 00:13:07" (PaddleSeg 2.9), "[2024/10/18 04:23:55]" (its develop branch),
# "2026-11-23T00:13:07", "I1123" of glog is not one: it has no year.
_STAMP = re.compile(rb"[\[(]?(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_BLOCK_BYTES = 16 << 10
_NEAR_BYTES = 2 << 10  # the rest is looked through line by line
_FARTHEST_BYTES = 4 << 20  # a stamp is looked for so far on; behind it the log counts as having none


def since_of(given: Dict[str, Any]) -> float:
    """Seconds since the epoch by this host's clock, of {"ago_s"}, {"at"} (the same), or {"wall": [year, ..., second]}.

    `wall` is in this host's time zone, as the stamps in its logs are. Raises OpError.
    """
    try:
        if "ago_s" in given:
            return time.time() - float(given["ago_s"])
        if "wall" in given:
            year, month, day, hour, minute, second = (int(part) for part in given["wall"])
            return time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
        return float(given["at"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise OpError("refused", "not a time: {!r}".format(given)) from None


def start_of_tail(paths: Sequence[Path], lines: int) -> Tuple[int, int]:
    """(index of the log, offset) such that so many lines follow, in all of `paths` one after another."""
    for index in range(len(paths) - 1, -1, -1):
        offset, lines = back(paths[index], lines)
        if not lines:
            return index, offset
    return 0, 0


def start_of_since(paths: Sequence[Path], at: float) -> Tuple[int, int]:
    """(index of the log, offset) of the first line that is not older than `at`; the end where there is none."""
    end = (0, 0)
    for index, path in enumerate(paths):
        offset, size = offset_since(path, at)
        if offset < size:
            return index, offset
        end = (index, size)
    return end


def back(path: Path, lines: int) -> Tuple[int, int]:
    """Where the last `lines` lines of a log begin, and how many it lacks. A block at a time: a log may be large."""
    if not path.is_file():
        return 0, lines
    log = RotatedLog(path)
    try:
        end = path.stat().st_size
        if not end or not lines:
            return end, lines
        at = end - 1  # the end of the last line begins no other
        while at > 0:
            start = max(0, at - CHUNK)
            block = log.read_whole(start, at - start)
            found = block.rfind(b"\n")
            while found >= 0:
                lines -= 1
                if not lines:
                    return start + found + 1, 0
                found = block.rfind(b"\n", 0, found)
            at = start
        return 0, lines - 1
    finally:
        log.close()


def offset_since(path: Path, at: float) -> Tuple[int, int]:
    """(where the first line that is not older than `at` begins, size of the log).

    It goes by the stamps at the beginnings of lines, which never go back in a log; lines without one belong to the
    stamp before them. Of a log without stamps all is new or nothing, by the time when it was last written to.
    """
    try:
        info = path.stat()
    except OSError:
        return 0, 0
    size = info.st_size
    if info.st_mtime < at:
        return size, size
    log = RotatedLog(path)
    try:
        first = _next_stamp(log, 0, size)
        if first is None or first[1] >= at:  # what stands before the first stamp is no older than the log
            return 0, size
        low, high = first[0] + 1, size
        while high - low > _NEAR_BYTES:
            middle = (low + high) // 2
            found = _next_stamp(log, middle, size)
            if found is not None and found[1] < at:
                low = found[0] + 1
            else:
                high = middle
        found = _next_stamp(log, low, size)
        while found is not None and found[1] < at:
            found = _next_stamp(log, found[0] + 1, size)
        return (size if found is None else found[0]), size
    finally:
        log.close()


def _next_stamp(log: RotatedLog, offset: int, size: int) -> Optional[Tuple[int, float]]:
    """(offset, seconds since the epoch) of the first line with a stamp that begins at `offset` or later."""
    begins = offset == 0
    kept, at = b"", offset
    while at < min(size, offset + _FARTHEST_BYTES):
        block = log.read(at, _BLOCK_BYTES)
        if not block:
            return None
        lines = (kept + block).splitlines(keepends=True)
        place = at - len(kept)
        at += len(block)
        kept = b"" if at >= size else lines.pop()
        for line in lines:
            stamp = _seconds(line) if begins else None
            if stamp is not None:
                return place, stamp
            begins = line.endswith((b"\n", b"\r"))
            place += len(line)
    return None


def _seconds(line: bytes) -> Optional[float]:
    match = _STAMP.match(line)
    if not match:
        return None
    parts: List[int] = [int(part) for part in match.groups()]
    try:
        return time.mktime((parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], 0, 0, -1))
    except (ValueError, OverflowError):
        return None
