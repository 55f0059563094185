"""Reads a log file as it grows, line by line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

from .rotate import RotatedLog

# Progress bars (paddleseg.utils.progbar, tqdm) go back with "\r" and "\b" instead of ending the line.
_LINE_ENDS = re.compile(rb"[\r\n]+")
_READ_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 1 << 16


class Follower:
    """New whole lines of a file since the last call. The file may not exist yet."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self._log = RotatedLog(path)
        self._offset = offset
        self._partial = b""

    def lines(self) -> Iterator[str]:
        """Whole lines that came since the last call, without their ends; empty lines are left out."""
        for block in self._blocks():
            parts = _LINE_ENDS.split(self._partial + block)
            self._partial = parts.pop()
            if len(self._partial) > _LONGEST_LINE_BYTES:
                parts.append(self._partial)
                self._partial = b""
            yield from (_text(part) for part in parts if part)

    def rest(self) -> Iterator[str]:
        """As `lines`, with a last line that nothing ends: for when the writer is gone."""
        yield from self.lines()
        if self._partial:
            yield _text(self._partial)
            self._partial = b""

    def _blocks(self) -> Iterator[bytes]:
        """One at a time and only what is there now: a step may write faster than we read, and more than fits."""
        try:
            end = self.path.stat().st_size
            while self._offset < end:
                block = self._log.read(self._offset, _READ_BYTES)
                if not block:
                    return
                self._offset += len(block)
                yield block
        except OSError:
            return


def _text(line: bytes) -> str:
    return line.replace(b"\b", b"").decode("utf-8", "replace")
