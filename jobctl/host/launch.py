"""Puts a run together in `staging/` and starts it. All or nothing: `runs/<id>` appears by one rename.

A laptop that dies in the middle leaves a folder in `staging/` that nobody locks; the next attempt with the same run id
begins it anew, `discard_stale` removes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List

from . import control
from .files import read_json, write_bytes, write_json
from .names import WHEELS
from .server import OpError, Request
from .trees import Trees

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,79}\Z")


def run_dir_of(root: Path, run_id: str) -> Path:
    """Raises OpError for an id that is none, or a run that is not there."""
    check_run_id(run_id)
    run_dir = root / "runs" / run_id
    if not run_dir.is_dir():
        raise OpError("run_not_found", "no run %s on this host" % run_id)
    return run_dir


def check_run_id(run_id: str) -> None:
    """Raises OpError for what is not a run's id: it becomes a file name."""
    if not _RUN_ID.match(run_id):
        raise OpError("input", "not a run id: %r" % run_id)


@contextmanager
def staging_lock(root: Path, run_id: str) -> Iterator[None]:
    """Nobody else puts this run together meanwhile. Raises OpError when somebody does."""
    folder = root / "staging"
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / (run_id + ".lock"))
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        busy = OpError("busy", "another jobctl is putting run %s together just now" % run_id)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise busy from None
        if not os.path.exists(path) or not os.path.samestat(os.stat(path), os.fstat(handle)):
            raise busy  # locked a file that its last owner has just removed
        try:
            yield
        finally:
            os.unlink(path)
    finally:
        os.close(handle)


def launch(request: Request, root: Path, trees: Trees) -> Dict[str, Any]:
    """Stage and start a run; for a run that is there already, its status.

    Parameters: run_id; spec (job.json, `data` still without targets); code (digest or None); data ([{name, link, and
    digest or on_host}]); files ([[path, mode, size], ...], contents in the payload).
    """
    params = request.params
    run_id = params["run_id"]
    check_run_id(run_id)
    with staging_lock(root, run_id):
        run_dir = root / "runs" / run_id
        if not run_dir.exists():
            _stage(root, trees, params, request.payload)
        elif (read_json(run_dir / "job.json") or {}).get("token") != params["spec"].get("token"):
            hint = "submit again: it draws another id"
            raise OpError("taken", "another submit has a run of the id %s here" % run_id, hint=hint)
        return control.start(root, run_id)


def _stage(root: Path, trees: Trees, params: Dict[str, Any], payload: bytes) -> None:
    staging = root / "staging" / params["run_id"]
    if staging.exists():
        shutil.rmtree(str(staging))
    try:
        _lay_out(staging, trees, params, payload)
    except BaseException:
        shutil.rmtree(str(staging), ignore_errors=True)
        raise


def _lay_out(staging: Path, trees: Trees, params: Dict[str, Any], payload: bytes) -> None:
    spec = dict(params["spec"])
    spec["data"] = [_data_target(trees, entry) for entry in params["data"]]
    staging.mkdir(parents=True)
    (staging / "output").mkdir()
    if params["code"]:
        # A stage may write to a file of its code. Read-only files keep that from other runs' code, but not from root.
        trees.lay_out(params["code"], staging / "code", share=os.geteuid() != 0)
    if params.get("wheels"):
        trees.lay_out(params["wheels"], staging / WHEELS)
    if params.get("downloads"):
        trees.lay_out_beside(params["downloads"], staging.parent.parent / "datasets" / ".downloads")
    at = 0
    for path, mode, size in params["files"]:
        _check_inside(path)
        target = staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(target, payload[at : at + size], mode)
        at += size
    write_json(staging / "job.json", spec)


def _check_inside(path: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        raise OpError("input", "a path outside the run directory: %r" % path)


def _data_target(trees: Trees, entry: Dict[str, Any]) -> Dict[str, Any]:
    if entry.get("digest"):
        target = str(trees.dataset(entry["name"], entry["digest"]))
    else:
        target = os.path.abspath(os.path.expanduser(entry["on_host"]))
        if not os.path.isdir(target):
            hint = "`on_host:` names a folder on the host; a folder on the laptop is `path:`"
            raise OpError("input", "no such folder on the host: %s" % target, hint=hint)
    return {"name": entry["name"], "link": entry["link"], "target": target}


def discard_stale(root: Path) -> List[str]:
    """Remove what laptops left half-done in `staging/`; returns the run ids."""
    gone = []
    for path in sorted((root / "staging").glob("*")):
        if not path.is_dir():
            continue
        try:
            with staging_lock(root, path.name):
                shutil.rmtree(str(path))
        except OpError:
            continue
        gone.append(path.name)
    return gone
