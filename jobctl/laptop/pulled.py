"""The laptop's side of a pull: a target folder into which nothing half, nothing unverified and nothing from outside
gets.

A file arrives as `NAME.<hash>.part`, is hashed, fsynced and renamed. Paths that a host sends are not trusted: no
absolute ones, no "..", and no step through a symbolic link that lies in the target.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from jobctl.errors import TransferError
from jobctl.plan.manifest import Entry

_KEPT = ".jobctl-pulled.json"
_CHUNK = 1 << 20


class PullTarget:
    """A folder on the laptop that mirrors what one run left."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()

    def path(self, name: str) -> Path:
        """Where a file of this name goes. Raises TransferError for a name that leads outside."""
        parts = name.split("/")
        if not name or name.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in name:
            raise TransferError("the host named a file outside the target: refused", where=str(self.folder), value=name)
        path = self.folder
        for part in parts[:-1]:
            path = path / part
            if path.is_symlink():
                raise TransferError("a symbolic link stands in the way of a pull: refused", where=str(path), value=name)
        return path / parts[-1]

    def known(self, entries: Iterable[Entry]) -> dict[str, str]:
        """path -> SHA-256 of what is here already. A file that is as the last pull left it is not read again."""
        kept = self._load()
        found = {}
        for entry in entries:
            path = self.path(entry.path)
            try:
                info = path.lstat()
            except OSError:
                continue
            if path.is_symlink() or not path.is_file() or info.st_size != entry.size:
                continue
            row = kept.get(entry.path)
            if row and row[:2] == [info.st_size, info.st_mtime_ns]:
                found[entry.path] = str(row[2])
            else:
                with path.open("rb") as file:
                    found[entry.path] = _digest(file)
        return found

    def remember(self, entries: Iterable[Entry]) -> None:
        """Note what is now here, for the next pull."""
        kept = self._load()
        for entry in entries:
            info = self.path(entry.path).lstat()
            kept[entry.path] = [info.st_size, info.st_mtime_ns, entry.content]
        beside = self.folder / (_KEPT + ".tmp")
        beside.write_text(json.dumps(kept))
        beside.replace(self.folder / _KEPT)

    def _load(self) -> dict[str, list[int | str]]:
        try:
            kept = json.loads((self.folder / _KEPT).read_text())
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(_CHUNK):
        digest.update(piece)
    return digest.hexdigest()


class Part:
    """A file that is arriving. Goes on where an earlier attempt at the same content was cut."""

    def __init__(self, target: PullTarget, entry: Entry) -> None:
        self._entry = entry
        self._final = target.path(entry.path)
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._beside = self._final.with_name(f"{self._final.name[:200]}.{entry.content[:12]}.part")
        self._digest = hashlib.sha256()
        self.offset = 0
        if self._beside.is_symlink():
            self._beside.unlink()
        self._file = self._beside.open("a+b")
        self._file.seek(0)
        while piece := self._file.read(_CHUNK):
            self._digest.update(piece)
            self.offset += len(piece)
        if self.offset > entry.size:
            self._begin_again()

    def _begin_again(self) -> None:
        self._file.truncate(0)
        self._digest = hashlib.sha256()
        self.offset = 0

    def write(self, data: bytes) -> None:
        self.offset += len(data)
        if self.offset > self._entry.size:
            self._drop()
            raise TransferError("the host sends more than it announced: refused", where=self._entry.path)
        self._file.write(data)
        self._digest.update(data)

    def finish(self) -> bool:
        """True: complete under its final name. False: not what was announced, nothing is left of it."""
        if self.offset != self._entry.size or self._digest.hexdigest() != self._entry.content:
            self._drop()
            return False
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._final.is_dir() and not self._final.is_symlink():
            raise TransferError("a folder stands where a file should be pulled to", where=str(self._final))
        self._beside.replace(self._final)
        return True

    def _drop(self) -> None:
        self._file.close()
        self._beside.unlink(missing_ok=True)

    def close(self) -> None:
        self._file.close()
