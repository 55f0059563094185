"""The requests about packages: what a job would ask of pip here, which versions that means, and what is known of them.

    asked    {environment, code, files, digests} + files  -> {"target", "asks", "facts"}
    resolve  {environment, code, files, known} + files    -> {"say": line} ..., then {"target", "asks", "packages"}

`target` says for which machine the answer holds; `asks` names what is asked (null: the code is not here yet).
Both change nothing but the mirror of a repository, which the run needs in any case.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional

from .builtin import ERROR, BuiltinError
from .code import commit_reader
from .environment import MARKER, ask_python
from .files import Json, read_json, write_bytes, write_json
from .pip_arguments import Reader, make_asks, named_files, requirement_files
from .program import argv_of
from .server import OpError, Request
from .trees import Trees

SCRATCH = ".resolve-"
"""Begins the names of folders below environments/ in which versions are looked for."""

_TOLD = ("jobctl: ", "Downloading ")


def asked(request: Request, root: Path) -> Dict[str, Any]:
    """Answers the request `asked`, at once: asks no index and no git server. Raises OpError."""
    return {
        "target": _target(request.params["environment"]),
        "asks": _asks(request, root),
        "facts": facts(root, request.params.get("digests") or []),
    }


def _asks(request: Request, root: Path) -> Optional[str]:
    """None: a requirement file is in a commit that this host has not fetched yet."""
    install = request.params["environment"].get("install") or []
    if not any(True for arguments in install for _ in named_files(arguments)):
        return make_asks(install, {})
    given, code = _given(request), request.params["code"]
    if code.get("tree"):
        from_code: Optional[Reader] = Trees(root).reader(code["tree"])
    else:
        from_code = commit_reader(root, code["git"], code.get("commit"))
    if from_code is None:
        return None
    read = from_code
    return make_asks(install, requirement_files(install, lambda name: given[name] if name in given else read(name)))


def _target(spec: Json) -> Json:
    try:
        return make_target(ask_python(spec.get("python") or "python3"))
    except BuiltinError as error:
        raise OpError("refused", str(error), hint="`python` of the job's environment names the interpreter") from None


def make_target(python: Json) -> Json:
    """{arch, python, glibc}: what wheels depend on. glibc null: another C library."""
    try:
        libc = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (ValueError, OSError):
        libc = []
    version = ".".join(python["version"].split(".")[:2])
    return {"arch": python["arch"], "python": version, "glibc": libc[1] if len(libc) == 2 else None}


def _given(request: Request) -> Dict[str, bytes]:
    """The template's files that came along, by their path from the code tree."""
    found, at = {}, 0
    for path, size in request.params.get("files") or []:
        found["../" + path] = request.payload[at : at + size]
        at += size
    return found


def facts(root: Path, digests: List[str]) -> Dict[str, Json]:
    """What is known here of environments that hold just these packages: {digest: {verified_at, deep_check_at}}."""
    found: Dict[str, Json] = {}
    for marker in sorted((root / "environments").glob("*/" + MARKER)) if digests else []:
        told = read_json(marker) or {}
        digest = told.get("packages")
        if digest not in digests:
            continue
        row = found.setdefault(digest, {"verified_at": None, "deep_check_at": None})
        row["verified_at"] = row["verified_at"] or told.get("verified_at")
        row["deep_check_at"] = row["deep_check_at"] or _deep_check_at(marker.with_name("deep_check.json"))
    return found


def _deep_check_at(path: Path) -> Optional[float]:
    """When the framework's own check passed in that environment; `doctor --deep` writes it down."""
    told = read_json(path)
    if told is None or told.get("passed") is False:
        return None
    at = told.get("at")
    return float(at) if isinstance(at, (int, float)) else path.stat().st_mtime


def resolve(request: Request, root: Path) -> Dict[str, Any]:
    """Answers the request `resolve`, in a process of its own that ends with the request. Raises OpError."""
    (root / "environments").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=str(root / "environments")))
    try:
        for name, data in _given(request).items():
            path = Path(os.path.normpath(str(folder / "code" / name)))
            if folder not in path.parents:
                raise OpError("input", "a path outside the folder: %r" % name)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
        params = {key: request.params.get(key) for key in ("environment", "code", "known")}
        write_json(folder / "request.json", dict(params, target=_target(request.params["environment"])))
        _run(request, argv_of("resolve", str(folder)))
        answer = read_json(folder / "answer.json")
        if answer is None:
            raise OpError("packages", "which versions are to be installed could not be found out")
        return answer
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)


def _run(request: Request, argv: List[str]) -> None:
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert child.stdout is not None
    last = ""
    try:
        for line in child.stdout:
            if request.cancelled.is_set():
                raise OpError("cancelled", "the laptop gave the request up")
            last = line.decode("utf-8", "replace").strip()
            if last.startswith(_TOLD):
                request.reply(say=last.replace("jobctl: ", "", 1))
        if child.wait() != 0:
            said = last[len(ERROR) :] if last.startswith(ERROR) else last
            raise OpError("refused", said, hint="nothing was started")
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
