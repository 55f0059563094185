"""What the arguments of `pip install` name: options, packages, requirement files, the code tree. Pure but for reading.

As pip 20 to 25 reads them.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple

Reader = Callable[[str], Optional[bytes]]
"""A file of the code tree by its path in it; None where there is none."""

_FILE_OPTIONS = ("-r", "--requirement", "-c", "--constraint")
_WANTING = _FILE_OPTIONS + ("-e", "--editable")
# Those whose value may stand as a word of its own.
_VALUE_OPTIONS = _WANTING + tuple(
    """
    -i --index-url --pypi-url --extra-index-url -f --find-links --trusted-host --proxy --cert --client-cert
    --timeout --retries --exists-action --log --cache-dir --use-feature --use-deprecated --python --keyring-provider
    --resume-retries -t --target --root --prefix --src --platform --python-version --implementation --abi
    --upgrade-strategy --no-binary --only-binary --progress-bar --root-user-action --report --global-option
    --config-settings -C --build-option --install-option --group --hash
    """.split()
)
_INDEX_OPTIONS = tuple("-i --index-url --pypi-url --extra-index-url -f --find-links --no-index --trusted-host".split())
_ARCHIVES = tuple(".whl .zip .tar .tar.gz .tgz .tar.bz2 .tbz .tar.xz .txz .tar.lz .tlz .tar.lzma".split())


def folder_reader(code: Path) -> Reader:
    """Reads below `code`, and what the arguments name outside of it."""

    def read(name: str) -> Optional[bytes]:
        path = code / name
        return path.read_bytes() if path.is_file() else None

    return read


def options_of(arguments: List[str]) -> List[str]:
    """The arguments without what they want installed: no packages, files of them, constraints."""
    return [word for name, words in _parts(arguments) for word in words if name and name not in _WANTING]


def without_index(arguments: List[str]) -> List[str]:
    """The arguments without what says where packages come from."""
    return [word for name, words in _parts(arguments) for word in words if name not in _INDEX_OPTIONS]


def _parts(arguments: List[str]) -> Iterator[Tuple[str, List[str]]]:
    """(option, its words), or ("", [a package]). An option that is glued to its value (`-rfile`) is told apart."""
    words = iter(arguments)
    for word in words:
        name = word.partition("=")[0] if word.startswith("--") else word
        if not word.startswith("-"):
            yield "", [word]
        elif word in _VALUE_OPTIONS:
            yield word, [word] + [value for value in [next(words, None)] if value is not None]
        elif not word.startswith("--") and word[:2] in _VALUE_OPTIONS:
            yield word[:2], [word]
        else:
            yield name, [word]


def make_asks(install: List[List[str]], files: Dict[str, bytes]) -> str:
    """16 hex digits that name what is asked of pip: the argument lists, and the requirement files that they name."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    text = json.dumps([install, hashes], sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def requirement_files(install: List[List[str]], read: Reader) -> Dict[str, bytes]:
    """Requirement and constraint files, and those that these name: path in the code tree -> content.

    A file that is not there is left to pip, which says so.
    """
    found: Dict[str, bytes] = {}
    todo = [os.path.normpath(name) for arguments in install for name in named_files(arguments)]
    while todo:
        name = todo.pop()
        data = None if name in found else read(name)
        if data is None:
            continue
        found[name] = data
        for line in _lines(data):
            todo += [os.path.normpath(os.path.join(os.path.dirname(name), other)) for other in named_files(line)]
    return found


def option_lines(files: Dict[str, bytes]) -> List[str]:
    """Lines of requirement files that say where and how, such as `--extra-index-url ...`."""
    lines = [line for data in files.values() for line in _lines(data)]
    return [" ".join(line) for line in lines if line[0].startswith("-") and _parts_name(line) not in _WANTING]


def _parts_name(line: List[str]) -> str:
    return next(_parts(line))[0]


def uses_code_tree(install: List[List[str]], code: Path) -> bool:
    """Whether pip is told to install a folder or file of the code tree (`.`, `-e .`, `./wheels/x.whl`), in an argument
    or by a line of a requirement file.
    """
    return any(_names_a_path(line, code) for line in _all_lines(install, code))


def is_editable(install: List[List[str]], code: Path) -> bool:
    """Whether something of it is installed by a link to where it lies (`-e .`)."""
    return any(word.startswith(("-e", "--editable")) for line in _all_lines(install, code) for word in line)


def _all_lines(install: List[List[str]], code: Path) -> List[List[str]]:
    files = requirement_files(install, folder_reader(code))
    return install + [line for data in files.values() for line in _lines(data)]


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


def named_files(arguments: List[str]) -> Iterator[str]:
    """Requirement and constraint files that the arguments, or a line of such a file, name."""
    for name, words in _parts(arguments):
        if name not in _FILE_OPTIONS:
            continue
        if len(words) == 2:
            yield words[1]
        elif words[0].startswith("--"):
            yield words[0].partition("=")[2]
        else:
            yield words[0][2:]
