"""Manifests on the host: see jobctl.plan.manifest. They come whole, or as what makes one of another that is here."""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Dict, List, NamedTuple, Tuple

from .server import OpError

_HEX = set("0123456789abcdef")
_MOST_BYTES = 1 << 30  # a manifest of five million files; what claims to be larger is no manifest


class Row(NamedTuple):
    """One entry of a manifest; see jobctl.plan.manifest.Entry."""

    path: str
    kind: str
    size: int
    content: str


def parse_manifest(data: bytes, digest: str) -> List[Row]:
    """Checked rows. Raises OpError for what could lead outside the tree, and for a manifest that is another."""
    check_digest(data, digest)
    return parse_lines(data.splitlines())


def check_digest(data: bytes, digest: str) -> None:
    """Raises OpError where the manifest is another."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise OpError("transfer", "the manifest is not the one that was announced")


def parse_lines(lines: List[bytes]) -> List[Row]:
    """Checked rows. Raises OpError for what could lead outside the tree."""
    try:
        rows = [Row(*row) for row in json.loads((b"[" + b",".join(lines) + b"]").decode("ascii"))]
    except (ValueError, TypeError) as error:
        raise OpError("transfer", "not a manifest: %s" % error) from None
    for row in rows:
        if row.kind not in ("f", "x", "l"):
            raise OpError("transfer", "a kind that is not known: %r" % row.kind)
        parts = row.path.split("/")
        if "" in parts or "." in parts or ".." in parts or "\0" in row.path:
            raise OpError("transfer", "a path that is not allowed in a tree: %r" % row.path)
        if row.kind != "l" and not is_sha256(row.content):
            raise OpError("transfer", "not a hash: %r" % row.content)
    return rows


def is_sha256(text: str) -> bool:
    """64 hexadecimal digits."""
    return len(text) == 64 and not set(text) - _HEX


def inflate(data: bytes, limit: int = _MOST_BYTES) -> bytes:
    """Undo zlib.compress. Raises OpError for what is damaged or would fill memory."""
    undo = zlib.decompressobj()
    try:
        plain = undo.decompress(data, limit)
    except zlib.error as error:
        raise OpError("transfer", "not compressed as it was announced: %s" % error) from None
    if not undo.eof:
        raise OpError("transfer", "more than was announced")
    return plain


def apply_delta(base: bytes, delta: bytes) -> Tuple[bytes, Dict[int, Row]]:
    """The manifest that `delta` (jobctl.plan.manifest.Delta) makes of `base`, and its rows that are new in it."""
    drop, add = json.loads(delta.decode("ascii"))
    dropped = set(drop)
    lines = [line for index, line in enumerate(base.splitlines()) if index not in dropped]
    new = [line.encode("ascii") for _, line in add]
    if any(b"\n" in line for line in new):
        raise OpError("transfer", "a manifest's line with a line's end in it")
    for (index, _), line in zip(add, new):  # in rising order, so that each finds its place
        lines.insert(index, line)
    rows = parse_lines(new)
    return b"".join(line + b"\n" for line in lines), {index: row for (index, _), row in zip(add, rows)}
