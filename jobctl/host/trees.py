"""Trees of files: a manifest names them, the object store holds their contents, hard links lay them out.

The two requests behind a transfer of code or data:

    tree_offer  {digest}                         -> {"known": true}, or {"known": false}
    tree_send   {digest} + manifest              -> {"known": true}, or
                                                    {"missing": [indexes]}, then frames with the contents
                {digest, base} + delta           the same; {"need": "manifest"} where `base` is not here
                {..., guessed: true}             a first frame with contents follows at once, before the answer

A frame is {"parts": [[index, length], ...]} and the contents one after another; with "plain", their length, they are
compressed. A large file goes on over several frames. Each frame is answered by {"received": bytes so far}, the last one
by {"known": true}. So a tree that is here costs one round trip, one with a small change one, a new one two.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from .arrivals import Arrivals
from .manifests import Row, apply_delta, check_digest, inflate, is_sha256, parse_lines, parse_manifest
from .objects import SETTLED, ObjectStore, hash_file, remove_leftovers
from .pip_arguments import Reader
from .removal import put_aside, remove
from .server import OpError, Request

_STALE_S = 24 * 3600.0  # no transfer pauses for so long


class Trees:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.store = self._store = ObjectStore(root)

    def _manifest_path(self, digest: str) -> Path:
        if not is_sha256(digest):
            raise OpError("transfer", "not a digest: %r" % digest)
        return self._root / "trees" / (digest + ".json")

    def rows(self, digest: str) -> List[Row]:
        """Of a tree that is complete here. Raises OpError otherwise."""
        path = self._manifest_path(digest)
        try:
            return parse_manifest(path.read_bytes(), digest)
        except FileNotFoundError:
            raise OpError("tree_gone", "the host does not have this tree: %s" % digest) from None
        except OpError:
            path.unlink()  # it was being written when the host went down
            raise OpError("tree_gone", "the list of files of a tree is damaged: %s" % digest) from None

    def missing(self, rows: Dict[int, Row]) -> List[int]:
        """Those of the rows whose content is not here; each content once."""
        seen: Dict[Tuple[str, bool], bool] = {}
        missing = []
        for index, row in rows.items():
            if row.kind == "l":
                continue
            key = (row.content, row.kind == "x")
            if key not in seen:
                seen[key] = self._store.has(row.content, row.size, row.kind == "x")
                if not seen[key]:
                    missing.append(index)
        return missing

    def offer(self, request: Request) -> Dict[str, Any]:
        """Whether the tree is here. Its contents are looked at when it is laid out: see `lay_out`, `dataset`."""
        return {"known": self._is_known(self._manifest_path(request.params["digest"]))}

    def _is_known(self, path: Path) -> bool:
        if not path.is_file():
            return False
        with contextlib.suppress(OSError):  # another user's, or a disk that takes no more
            os.utime(str(path))  # it is in use: `gc` takes old ones
        return True

    def send(self, request: Request) -> Dict[str, Any]:
        digest = request.params["digest"]
        path = self._manifest_path(digest)
        if self._is_known(path):
            return {"known": True}
        begun = time.monotonic()
        guessed = request.receive() if request.params.get("guessed") else None
        manifest, rows = self._announced(request, digest)
        missing = self.missing(rows)
        arrivals = Arrivals(self._store, {index: rows[index] for index in missing})
        try:
            if guessed is not None:
                arrivals.take(*guessed)
            if not arrivals.complete:
                left = [index for index in missing if index not in arrivals.whole]
                request.reply(missing=left, took_s=round(time.monotonic() - begun, 4))
            received = 0
            while not arrivals.complete:
                received += arrivals.take(*request.receive())
                request.reply(received=received)
            arrivals.settle()
        finally:
            arrivals.close()
        _write(path, manifest)
        # Also of those that have come in bulk, before the list.
        self._store.settle_later([(row.content, row.kind == "x") for row in rows.values() if row.kind != "l"])
        if missing:
            self._store.later(lambda: remove_leftovers(self._root, time.time() - _STALE_S))
        return {"known": True}

    def _announced(self, request: Request, digest: str) -> Tuple[bytes, Dict[int, Row]]:
        """The manifest, and those of its rows that are not known to be here."""
        announced, base = inflate(request.payload), None
        if request.params.get("base"):
            with contextlib.suppress(OSError):
                base = self._manifest_path(request.params["base"]).read_bytes()
            if base is not None:
                manifest, rows = apply_delta(base, announced)
                check_digest(manifest, digest)
                return manifest, rows
            request.reply(need="manifest")
            announced = inflate(request.receive()[1])
        check_digest(announced, digest)
        return announced, dict(enumerate(parse_lines(announced.splitlines())))

    def lay_out(self, digest: str, target: Path, share: bool = True) -> None:
        """The tree as files below `target`, which must not be there yet; with `share` as hard links where possible.

        Raises OpError `tree_gone` where contents are gone or were changed in place; then it has to be sent again.
        """
        rows = self.rows(digest)
        self._check(digest, rows)
        give = self._store.link if share else self._store.copy
        target.mkdir(parents=True)
        folder, made = str(target), {""}
        # Links last: nothing is ever written through one.
        for row in sorted(rows, key=lambda row: row.kind == "l"):
            above = row.path.rpartition("/")[0]
            if above not in made:
                os.makedirs(os.path.join(folder, above), exist_ok=True)
                made.add(above)
            if row.kind == "l":
                os.symlink(row.content, os.path.join(folder, row.path))
            else:
                give(row.content, row.kind == "x", os.path.join(folder, row.path))

    def _check(self, digest: str, rows: List[Row]) -> None:
        if self.missing(dict(enumerate(rows))):
            self._manifest_path(digest).unlink()  # somebody cleaned the object store by hand
            raise OpError("tree_gone", "contents of a tree are gone from the host's store: %s" % digest)

    def lay_out_beside(self, digest: str, folder: Path) -> None:
        """The tree's files in a folder that others use too; what is there under such a name stays. As `lay_out`."""
        rows = self.rows(digest)
        self._check(digest, rows)
        folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            path = folder / row.path
            if row.kind == "l" or "/" in row.path or os.path.lexists(str(path)):
                continue
            beside = folder / ".{}.{}.part".format(row.path[:200], os.getpid())
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            self._store.link(row.content, row.kind == "x", str(beside))
            os.replace(str(beside), str(path))

    def files(self, digest: str) -> List[str]:
        """Where the contents of a tree that is complete here lie, in the store. Raises OpError."""
        rows = self.rows(digest)
        self._check(digest, rows)
        return [str(self._store.path(row.content, row.kind == "x")) for row in rows if row.kind != "l"]

    def reader(self, digest: str) -> Reader:
        """Reads the regular files of a tree that is complete here. Raises OpError."""
        rows = {row.path: row for row in self.rows(digest) if row.kind != "l"}

        def read(name: str) -> Optional[bytes]:
            row = rows.get(name)
            return Path(self._store.path(row.content, row.kind == "x")).read_bytes() if row else None

        return read

    def dataset(self, name: str, digest: str) -> Path:
        """The folder of a dataset, laid out once; shared and never written to again.

        One that was changed in place all the same is laid out anew. Raises OpError as `lay_out`.
        """
        folder = self._root / "datasets" / name / digest
        if folder.is_dir():
            if self._is_as_sent(folder, self.rows(digest)):
                return folder
            remove(put_aside(folder))
        beside = folder.with_name(".%s.%d.%d" % (digest, os.getpid(), threading.get_ident()))
        if beside.exists():
            remove(beside)
        self.lay_out(digest, beside)
        try:
            os.rename(str(beside), str(folder))
        except OSError:
            remove(beside)  # another laptop was faster
            if not folder.is_dir():
                raise
        return folder

    def _is_as_sent(self, folder: Path, rows: List[Row]) -> bool:
        """By what `ObjectStore.has` goes by: these are its files."""
        base = os.path.join(str(folder), "")
        for row in rows:
            try:
                info = os.lstat(base + row.path)
            except OSError:
                return False
            if row.kind == "l":
                continue
            if not stat.S_ISREG(info.st_mode) or info.st_size != row.size:
                return False
            if info.st_mtime != SETTLED and not self._store.is_fresh(row.content, row.kind == "x"):
                if hash_file(Path(base + row.path)) != row.content:
                    return False
        return True


def _write(path: Path, manifest: bytes) -> None:
    """Without waiting for the disk: its name is its hash, so that one that was not written whole is found out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(".%s.%d.%d.part" % (path.name, os.getpid(), threading.get_ident()))
    try:
        beside.write_bytes(manifest)
        os.replace(str(beside), str(path))
    finally:
        _unlink(beside)


def _unlink(path: Path) -> Optional[bool]:
    with contextlib.suppress(OSError):
        path.unlink()
    return None
