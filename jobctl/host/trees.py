"""Trees of files: a manifest names them, the object store holds their contents, hard links lay them out.

The two requests behind a transfer of code or data:

    tree_offer  {digest}                 -> {"known": true}, or {"known": false}
    tree_send   {digest} + manifest      -> {"missing": [indexes]}, then frames
                                            {"parts": [[index, length], ...]} with the contents one after another,
                                            then {"done": true} -> {"known": true}

A large file goes on over several frames; a part without the file's end is followed by the next part of the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import zlib
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from .files import write_bytes
from .objects import Incoming, ObjectStore, remove_leftovers
from .pip_arguments import Reader
from .server import OpError, Request

_STALE_S = 24 * 3600.0  # no transfer pauses for so long


class Row(NamedTuple):
    """One entry of a manifest; see jobctl.plan.manifest.Entry."""

    path: str
    kind: str
    size: int
    content: str


def parse_manifest(data: bytes, digest: str) -> List[Row]:
    """Checked rows. Raises OpError for what could lead outside the tree, and for a manifest that is another."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise OpError("transfer", "the manifest is not the one that was announced")
    rows = [Row(*row) for row in json.loads(data.decode("ascii"))]
    for row in rows:
        parts = row.path.split("/")
        if (
            not row.path
            or row.path.startswith("/")
            or any(part in ("", ".", "..") for part in parts)
            or "\0" in row.path
        ):
            raise OpError("transfer", "a path that is not allowed in a tree: %r" % row.path)
        if row.kind not in ("f", "x", "l"):
            raise OpError("transfer", "a kind that is not known: %r" % row.kind)
        if row.kind != "l" and (len(row.content) != 64 or set(row.content) - set("0123456789abcdef")):
            raise OpError("transfer", "not a hash: %r" % row.content)
    return rows


class Trees:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = self._store = ObjectStore(root)

    def _manifest_path(self, digest: str) -> Path:
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise OpError("transfer", "not a digest: %r" % digest)
        return self.root / "trees" / (digest + ".json")

    def rows(self, digest: str) -> List[Row]:
        """Of a tree that is complete here. Raises OpError otherwise."""
        path = self._manifest_path(digest)
        if not path.is_file():
            raise OpError("transfer", "the host does not have this tree: %s" % digest)
        return parse_manifest(path.read_bytes(), digest)

    def missing(self, rows: List[Row]) -> List[int]:
        """Indexes of the rows whose content is not here; each content once."""
        seen: Dict[Tuple[str, bool], bool] = {}
        missing = []
        for index, row in enumerate(rows):
            if row.kind == "l":
                continue
            key = (row.content, row.kind == "x")
            if key not in seen:
                seen[key] = self._store.has(row.content, row.size, row.kind == "x")
                if not seen[key]:
                    missing.append(index)
        return missing

    def offer(self, request: Request) -> Dict[str, Any]:
        digest = request.params["digest"]
        path = self._manifest_path(digest)
        if not path.is_file():
            return {"known": False}
        if self.missing(parse_manifest(path.read_bytes(), digest)):
            path.unlink()  # somebody cleaned the object store by hand
            return {"known": False}
        with contextlib.suppress(OSError):  # another user's, or a disk that takes no more
            os.utime(str(path))  # it is in use: `gc` takes old ones
        return {"known": True}

    def send(self, request: Request) -> Dict[str, Any]:
        digest = request.params["digest"]
        manifest = zlib.decompress(request.payload)
        rows = parse_manifest(manifest, digest)
        remove_leftovers(self.root, time.time() - _STALE_S)
        missing = self.missing(rows)
        request.reply(missing=missing)
        if set(missing) - self._receive(request, rows):
            raise OpError("transfer", "files are missing after the transfer")
        self._store.settle(self._store.path(row.content, row.kind == "x") for row in rows if row.kind != "l")
        path = self._manifest_path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, manifest, 0o644)
        return {"known": True}

    def _receive(self, request: Request, rows: List[Row]) -> Set[int]:
        """Indexes of the rows whose content came, whole and as it was announced."""
        whole: Set[int] = set()
        current: Optional[Tuple[int, Incoming, int]] = None
        received = 0
        try:
            while True:
                header, payload = request.receive()
                if header.get("done"):
                    return whole
                at = 0
                for index, length in header["parts"]:
                    row = rows[index]
                    if current is None or current[0] != index:
                        current = (index, Incoming(self._store, row.content, row.size, row.kind == "x"), row.size)
                    _, incoming, left = current
                    incoming.write(payload[at : at + length])
                    at += length
                    current = (index, incoming, left - length)
                    if left - length <= 0:
                        complete = incoming.finish()
                        current = None
                        if not complete:
                            hint = "a file that is written to while it is sent? submit again"
                            raise OpError("transfer", "a file changed on the way: %s" % row.path, hint=hint)
                        whole.add(index)
                received += len(payload)
                request.reply(received=received)
        finally:
            if current is not None:
                current[1].discard()

    def lay_out(self, digest: str, target: Path, share: bool = True) -> None:
        """The tree as files below `target`, which must not be there yet; with `share` as hard links where possible."""
        give = self._store.link if share else self._store.copy
        target.mkdir(parents=True)
        made = {target}
        # Links last: nothing is ever written through one.
        for row in sorted(self.rows(digest), key=lambda row: row.kind == "l"):
            path = target / row.path
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            if row.kind == "l":
                os.symlink(row.content, str(path))
            else:
                give(row.content, row.kind == "x", path)

    def lay_out_beside(self, digest: str, folder: Path) -> None:
        """The tree's files in a folder that others use too; what is there under such a name stays."""
        folder.mkdir(parents=True, exist_ok=True)
        for row in self.rows(digest):
            path = folder / row.path
            if row.kind == "l" or "/" in row.path or os.path.lexists(str(path)):
                continue
            beside = folder / ".{}.{}.part".format(row.path[:200], os.getpid())
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            self._store.link(row.content, row.kind == "x", beside)
            os.replace(str(beside), str(path))

    def reader(self, digest: str) -> Reader:
        """Reads the regular files of a tree that is complete here. Raises OpError."""
        rows = {row.path: row for row in self.rows(digest) if row.kind != "l"}

        def read(name: str) -> Optional[bytes]:
            row = rows.get(name)
            return self._store.path(row.content, row.kind == "x").read_bytes() if row else None

        return read

    def dataset(self, name: str, digest: str) -> Path:
        """The folder of a dataset, laid out once; shared and never written to again."""
        folder = self.root / "datasets" / name / digest
        if folder.is_dir():
            return folder
        beside = folder.with_name(".%s.%d" % (digest, os.getpid()))
        if beside.exists():
            shutil.rmtree(str(beside))
        self.lay_out(digest, beside)
        try:
            os.rename(str(beside), str(folder))
        except OSError:
            shutil.rmtree(str(beside))  # another laptop was faster
            if not folder.is_dir():
                raise
        return folder
