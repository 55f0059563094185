"""What goes into a run's Python environment, as one short name: same name, same environment."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Dict, Iterator, List

from .files import Json

_FILE_OPTIONS = ("-r", "--requirement", "-c", "--constraint")


def make_fingerprint(spec: Json, python: Json, code: Path, run_id: str) -> str:
    """16 hex digits over the interpreter, the install lists, the requirement files they name (and those name), and the
    sourced files' names. An environment that installs from the code tree itself belongs to its run alone.
    """
    parts: Json = {
        "format": 1,
        "python": python,
        "install": spec.get("install") or [],
        "source": spec.get("source") or [],
        "files": requirement_files(spec.get("install") or [], code),
        "run": run_id if uses_code_tree(spec.get("install") or [], code) else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()[:16]


def requirement_files(install: List[List[str]], code: Path) -> Dict[str, str]:
    """Requirement and constraint files by the name that names them, and the SHA-256 of their contents.

    A file that is not there is left to pip, which says so.
    """
    found: Dict[str, str] = {}
    todo = [code / name for arguments in install for name in _named_files(arguments)]
    while todo:
        path = todo.pop()
        key = os.path.relpath(str(path), str(code))
        if key in found or not path.is_file():
            continue
        data = path.read_bytes()
        found[key] = hashlib.sha256(data).hexdigest()
        for line in data.decode("utf-8", "replace").splitlines():
            todo += [path.parent / name for name in _named_files(line.split())]
    return found


def uses_code_tree(install: List[List[str]], code: Path) -> bool:
    """Whether pip is told to install a folder or file of the code tree (`.`, `-e .`, `./wheels/x.whl`)."""
    for arguments in install:
        files = set(_named_files(arguments))
        for index, argument in enumerate(arguments):
            if argument.startswith(("-e", "--editable")):
                return True
            after_option = index > 0 and arguments[index - 1].startswith("-")
            if argument.startswith("-") or argument in files or after_option:
                continue
            if (code / argument.partition("[")[0]).exists():
                return True
    return False


def _named_files(arguments: List[str]) -> Iterator[str]:
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if argument in _FILE_OPTIONS and index + 1 < len(arguments):
            yield arguments[index + 1]
        elif equals and name in _FILE_OPTIONS:
            yield value
        elif argument[:2] in ("-r", "-c") and len(argument) > 2:
            yield argument[2:]
