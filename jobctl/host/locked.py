"""Installing what a lock names, and nothing else: each list's packages, from where that list takes them."""

from __future__ import annotations

from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from .files import Json
from .pip_arguments import folder_reader, option_lines, options_of, requirement_files, uses_code_tree, without_index


class Call(NamedTuple):
    """One `pip install`: its arguments, and a file that they name and that is to be written first: (name, text)."""

    arguments: List[str]
    file: Optional[Tuple[str, str]]


def make_calls(install: List[List[str]], lock: Json, code: Path, wheels: Optional[Path], folder: Path) -> List[Call]:
    """The calls for the lists of a job. `wheels`: the only place packages may come from; None: as the lists say.

    `folder` is where the files will be, which the calls name. A list that installs from the code tree is left as it is,
    its packages held to the lock.
    """
    calls = []
    for number, arguments in enumerate(install):
        where = ["--no-index", "--find-links", str(wheels)] if wheels else []
        if uses_code_tree([arguments], code):
            kept = without_index(arguments) if wheels else list(arguments)
            name = "jobctl-locked.txt"
            lines = ["{name}=={version}".format(**row) for row in lock["packages"]]
            calls.append(Call(where + kept + ["-c", str(folder / name)], (name, _text(lines))))
            continue
        rows = [row for row in lock["packages"] if row["list"] == number]
        lines = [] if wheels else option_lines(requirement_files([arguments], folder_reader(code)))
        kept = options_of(arguments)
        for suffix, pins in _pins(rows):
            name = "jobctl-locked-{}{}.txt".format(number + 1, suffix)
            options = where + (without_index(kept) if wheels else kept)
            calls.append(Call(options + ["--no-deps", "-r", str(folder / name)], (name, _text(lines + pins))))
    return calls


def _pins(rows: List[Json]) -> List[Tuple[str, List[str]]]:
    """Exact versions, those without a hash in a file of their own: pip wants hashes for all or none."""
    hashed = ["{name}=={version} --hash=sha256:{sha256}".format(**row) for row in rows if row.get("sha256")]
    others = ["{name}=={version}".format(**row) for row in rows if not row.get("sha256")]
    return [(suffix, pins) for suffix, pins in (("", hashed), ("-unhashed", others)) if pins]


def _text(lines: List[str]) -> str:
    return "".join(line + "\n" for line in lines)
