"""What goes into a run's Python environment, as one short name: same name, same environment."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, List, Optional

from .files import Json
from .pip_arguments import folder_reader, is_editable, requirement_files, uses_code_tree


def make_fingerprint(spec: Json, python: Json, code: Path, run_id: str, code_name: Optional[str] = None) -> str:
    """16 hex digits over the interpreter, the packages and the sourced files' names.

    The packages are those of the lock, exactly; without a lock what is asked of pip, with the requirement files that
    it names (and those name). `code_name` names the content of the code tree. Where pip installs from that tree, the
    environment is that tree's alone; where it installs a link to it (`-e .`) or the tree has no name, the run's.
    """
    install = spec.get("install") or []
    parts: Json = {
        "format": 1,
        "python": python,
        "source": spec.get("source") or [],
        "run": _bound_to(install, code, run_id, code_name),
    }
    lock = spec.get("lock")
    if lock:
        parts.update(format=2, packages=packages_digest(lock), code=[] if parts["run"] is None else install)
    else:
        files = requirement_files(install, folder_reader(code))
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        parts.update(install=install, files=hashes)
    return _digest(parts)[:16]


def packages_digest(lock: Json) -> str:
    """64 hex digits over what a lock has installed: names, versions, hashes."""
    rows: List[Any] = sorted([row["name"], row["version"], row.get("sha256")] for row in lock["packages"])
    return _digest(rows)


def _bound_to(install: List[List[str]], code: Path, run_id: str, code_name: Optional[str]) -> Optional[str]:
    if not uses_code_tree(install, code):
        return None
    return run_id if code_name is None or is_editable(install, code) else "code " + code_name


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()
