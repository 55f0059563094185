"""Downloads that are whole or go on where they stopped."""

from __future__ import annotations

import contextlib
import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from jobctl.errors import TransferError

_AGENT = {"User-Agent": "jobctl"}  # some stores answer Python's own name with 403
_CHUNK = 1 << 20


def fetch(url: str, sha256: str | None, path: Path, progress: Callable[[int, int], None]) -> None:
    """Have the file of an http(s) address at `path`. A part that an earlier try left is gone on with, where the server
    can. Raises TransferError.
    """
    if not path.is_file():
        part = path.with_name(path.name + ".part")
        try:
            _download(url, part, progress)
        except (OSError, ValueError, HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", None) or error
            raise TransferError("a file cannot be downloaded", where=url, value=str(reason)) from None
        os.replace(part, path)
    if sha256 and _hash(path) != sha256:
        path.unlink()
        raise TransferError("the download is not the file that it should be", where=url, value=f"SHA-256 not {sha256}")


def _download(url: str, part: Path, progress: Callable[[int, int], None]) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {**_AGENT, "Range": f"bytes={have}-"} if have else _AGENT
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)  # noqa: S310 - http(s)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # the range begins where the file ends: begin anew
            raise
        part.unlink()
        return _download(url, part, progress)
    with contextlib.closing(answer):
        goes_on = answer.status == 206
        have = have if goes_on else 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with part.open("ab" if goes_on else "wb") as file:
            while piece := answer.read(_CHUNK):
                file.write(piece)
                have += len(piece)
                progress(have, max(have, total))
    if have < total:
        raise OSError(f"it ended after {have} of {total} bytes")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
