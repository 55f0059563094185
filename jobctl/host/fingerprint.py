"""What goes into a run's Python environment, as one short name: same name, same environment."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Dict, Iterator, List

from .files import Json

_FILE_OPTIONS = ("-r", "--requirement", "-c", "--constraint")
# Of `pip install`, those whose value may stand as a word of its own (pip 20 to 25).
_VALUE_OPTIONS = _FILE_OPTIONS + tuple(
    """
    -i --index-url --pypi-url --extra-index-url -f --find-links --trusted-host --proxy --cert --client-cert
    --timeout --retries --exists-action --log --cache-dir --use-feature --use-deprecated --python --keyring-provider
    --resume-retries -t --target --root --prefix --src --platform --python-version --implementation --abi
    --upgrade-strategy --no-binary --only-binary --progress-bar --root-user-action --report --global-option
    --config-settings -C --build-option --install-option --group --hash
    """.split()
)
_ARCHIVES = tuple(".whl .zip .tar .tar.gz .tgz .tar.bz2 .tbz .tar.xz .txz .tar.lz .tlz .tar.lzma".split())


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
    return {key: hashlib.sha256(data).hexdigest() for key, data in _read_files(install, code).items()}


def uses_code_tree(install: List[List[str]], code: Path) -> bool:
    """Whether pip is told to install a folder or file of the code tree (`.`, `-e .`, `./wheels/x.whl`), in an argument
    or by a line of a requirement file.
    """
    if any(_names_a_path(arguments, code) for arguments in install):
        return True
    lines = [line for data in _read_files(install, code).values() for line in _lines(data)]
    return any(_names_a_path(line, code) for line in lines)


def _read_files(install: List[List[str]], code: Path) -> Dict[str, bytes]:
    found: Dict[str, bytes] = {}
    todo = [code / name for arguments in install for name in _named_files(arguments)]
    while todo:
        path = todo.pop()
        key = os.path.relpath(str(path), str(code))
        if key in found or not path.is_file():
            continue
        found[key] = path.read_bytes()
        for line in _lines(found[key]):
            todo += [path.parent / name for name in _named_files(line)]
    return found


def _lines(data: bytes) -> List[List[str]]:
    lines = [line.split() for line in data.decode("utf-8", "replace").splitlines()]
    return [line for line in lines if line and not line[0].startswith("#")]


def _names_a_path(arguments: List[str], code: Path) -> bool:
    before = ""
    for argument in arguments:
        if argument.startswith(("-e", "--editable")):
            return True
        if argument.startswith("#"):
            return False
        is_requirement = before not in _VALUE_OPTIONS and not argument.startswith("-")
        if is_requirement and _looks_like_a_path(argument) and (code / argument.partition("[")[0]).exists():
            return True
        before = argument
    return False


def _looks_like_a_path(argument: str) -> bool:
    """As pip 20 to 25 decide (`_looks_like_path`, `is_archive_file`): `./folder` is one, the name alone is not."""
    return "/" in argument or argument.startswith(".") or argument.endswith(_ARCHIVES)


def _named_files(arguments: List[str]) -> Iterator[str]:
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if argument in _FILE_OPTIONS and index + 1 < len(arguments):
            yield arguments[index + 1]
        elif equals and name in _FILE_OPTIONS:
            yield value
        elif argument[:2] in ("-r", "-c") and len(argument) > 2:
            yield argument[2:]
