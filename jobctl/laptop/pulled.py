"""The laptop's side of a pull: a target folder into which nothing half, nothing unverified and nothing from outside
gets.

A file arrives as `NAME.<hash>.part` (`host.partial`), is hashed, fsynced and renamed. Paths that a host sends are not
trusted: no absolute ones, no "..", and no step through a symbolic link that lies in the target.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from jobctl.errors import TransferError
from jobctl.host.partial import Partial
from jobctl.plan.manifest import Entry

_KEPT = ".jobctl-pulled.json"
_CHUNK = 1 << 20


class PullTarget:
    """A folder on the laptop that mirrors what one run left."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self._umask = os.umask(0o022)
        os.umask(self._umask)

    def check(self, entries: Iterable[Entry]) -> None:
        """That all of them can be here at once. Raises TransferError, before anything is written."""
        paths = [entry.path for entry in entries]
        for path in paths:
            self.path(path)
        if clash := find_clash(paths, ignore_case=False):
            raise TransferError("the host names two files that cannot both be", where=str(self.folder), value=clash)
        clash = find_clash(paths, ignore_case=True)
        if clash and self._ignores_case():
            raise TransferError(
                "two names differ by case alone, and the file system here takes them for one",
                where=str(self.folder),
                value=clash,
                hint="pull one of them with `--only`, the other with `--only` and `--to` another folder",
            )

    def _ignores_case(self) -> bool:
        with tempfile.NamedTemporaryFile(prefix=".jobctl-Case-", dir=self.folder) as probe:
            return os.path.exists(os.path.join(self.folder, os.path.basename(probe.name).swapcase()))

    def mode(self, entry: Entry) -> int:
        """As if the user had made the file."""
        return (0o777 if entry.kind == "x" else 0o666) & ~self._umask

    def prepare(self, entry: Entry) -> tuple[Path, Path]:
        """(the final name, the one beside it), in a folder that is there. Raises TransferError, OSError."""
        final = self.path(entry.path)
        final.parent.mkdir(parents=True, exist_ok=True)
        beside = final.with_name(f"{_stem(final)}.{entry.content[:12]}.part")
        if beside.is_symlink():
            beside.unlink()
        return final, beside

    def check_final(self, final: Path) -> None:
        """Raises TransferError where a folder stands in the place of a file."""
        if final.is_dir() and not final.is_symlink():
            raise TransferError("a folder stands where a file should be pulled to", where=str(final))

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


def find_clash(paths: Iterable[str], *, ignore_case: bool) -> tuple[str, str] | None:
    """Two of them that want the same place: the same twice, or one as a file and the other below it. PURE."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = unicodedata.normalize("NFC", path).casefold() if ignore_case else path
        above = folded.split("/")[:-1]
        ways = ["/".join(above[:end]) for end in range(1, len(above) + 1)]
        for place in (folded, *ways):
            if place in files:
                return files[place], path
        if folded in folders:
            return folders[folded], path
        files[folded] = path
        folders.update(dict.fromkeys(ways, path))
    return None


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(_CHUNK):
        digest.update(piece)
    return digest.hexdigest()


def _stem(final: Path) -> str:
    """What of a name is kept in the one beside it: a name has room for 255 bytes."""
    return os.fsencode(final.name)[:200].decode("utf-8", "ignore")


class Arriving:
    """A large file that is arriving, in any order; goes on where an earlier attempt at the same content was cut."""

    def __init__(self, target: PullTarget, entry: Entry) -> None:
        self.entry = entry
        self._target = target
        self._final, beside = target.prepare(entry)
        self._older = f"{glob.escape(_stem(self._final))}.{'[0-9a-f]' * 12}.part"
        self.partial = Partial(os.fspath(beside), entry.size, entry.content)

    def keep(self) -> None:
        """Under its final name, verified as it is. Raises Overtaken, TransferError, OSError."""
        self._target.check_final(self._final)
        self.partial.finish(os.fspath(self._final), self._target.mode(self.entry), sync=True)
        for older in self._final.parent.glob(self._older):  # of a content that is no more
            older.unlink(missing_ok=True)


def keep_small(target: PullTarget, entry: Entry, data: bytes) -> bool:
    """A file that came in one piece, under its final name; False: it is not what was announced."""
    if hashlib.sha256(data).hexdigest() != entry.content:
        return False
    final, beside = target.prepare(entry)
    target.check_final(final)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, target.mode(entry))
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(final)
    return True
