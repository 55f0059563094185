"""Reads a log file as it grows, line by line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List

# Progress bars (paddleseg.utils.progbar, tqdm) go back with "\r" and "\b" instead of ending the line.
_LINE_ENDS = re.compile(rb"[\r\n]+")
_READ_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 1 << 16


class Follower:
    """New whole lines of a file since the last call. The file may not exist yet."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self._offset = offset
        self._partial = b""

    def lines(self) -> List[str]:
        """Whole lines that came since the last call, without their ends; empty lines are left out."""
        found: List[str] = []
        for block in self._blocks():
            parts = _LINE_ENDS.split(self._partial + block)
            self._partial = parts.pop()
            if len(self._partial) > _LONGEST_LINE_BYTES:
                parts.append(self._partial)
                self._partial = b""
            found.extend(_text(part) for part in parts if part)
        return found

    def rest(self) -> List[str]:
        """As `lines`, with a last line that nothing ends: for when the writer is gone."""
        found = self.lines()
        if self._partial:
            found.append(_text(self._partial))
            self._partial = b""
        return found

    def _blocks(self) -> List[bytes]:
        try:
            if os.stat(str(self.path)).st_size <= self._offset:
                return []
            blocks: List[bytes] = []
            with open(str(self.path), "rb") as handle:
                handle.seek(self._offset)
                while True:
                    block = handle.read(_READ_BYTES)
                    if not block:
                        return blocks
                    self._offset += len(block)
                    blocks.append(block)
        except OSError:
            return []


def _text(line: bytes) -> str:
    return line.replace(b"\b", b"").decode("utf-8", "replace")
