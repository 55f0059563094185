"""Which versions pip would install for a job, found out before anything is: `pip install --dry-run --report`.

Runs as a process of its own (`resolve FOLDER`), its standard output told to the user line by line.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote, urlsplit

from .builtin import BuiltinError, run_builtin, say
from .code import clone
from .environment import ask_python, clean_environ, make_venv, run_shown
from .files import Json, read_json, write_json
from .pip_arguments import folder_reader, make_asks, requirement_files, uses_code_tree
from .pip_report import FIRST_PIP, merge, parse_pip_version, parse_report
from .pip_words import contradicts, explain_pip
from .trees import Trees


class Pip(NamedTuple):
    """How versions are looked for. `what`: for which Python and machine, for messages."""

    argv: List[str]
    what: str
    run: Callable[[List[str], Path], Tuple[int, str]]  # in a folder: exit code and output
    tell: Callable[[str], None]
    options: Tuple[str, ...] = ()


def main(folder: Path) -> int:
    """Answer `folder`/request.json with `folder`/answer.json. 0, or 1 with the reason printed."""
    return run_builtin("the packages", lambda: write_json(folder / "answer.json", _answer(folder)))


def _answer(folder: Path) -> Json:
    request = read_json(folder / "request.json") or {}
    spec, root = request["environment"], folder.parent.parent
    code = _lay_out(root, request["code"], folder / "code")
    install = [[str(word) for word in arguments] for arguments in spec.get("install") or []]
    asks = make_asks(install, requirement_files(install, folder_reader(code)))
    answer: Json = {"target": request["target"], "asks": asks, "packages": None}
    if asks in (request.get("known") or []):
        return answer
    python = ask_python(spec.get("python") or "python3")
    argv = _find_pip(python, folder)
    if argv is None:
        say("no pip >= 22.2 here: nothing can be pinned before it is built")
        return answer
    what = "Python {}, {}".format(python["version"], python["arch"])
    pip = Pip(argv, what, lambda words, cwd: run_shown(words, cwd, clean_environ()), say)
    return dict(answer, packages=resolve_lists(install, code, pip))


def _lay_out(root: Path, code: Json, folder: Path) -> Path:
    if code.get("tree"):
        Trees(root).lay_out(code["tree"], folder)
    else:
        clone(root, code["git"], code.get("commit"), code.get("ref"), folder)
    return folder


def _find_pip(python: Json, folder: Path) -> Optional[List[str]]:
    """The interpreter's own pip, which is only asked, else a venv's, brought up to date where it is too old."""
    own = [python["executable"], "-m", "pip"]
    if _is_new(own):
        return own
    make_venv(folder / "venv", python)
    venvs = [str(folder / "venv" / "bin" / "python"), "-m", "pip"]
    if not _is_new(venvs):
        run_shown(venvs + ["install", "--quiet", "--upgrade", "pip"], folder, clean_environ())
    return venvs if _is_new(venvs) else None


def _is_new(pip: List[str]) -> bool:
    done = subprocess.run(
        pip + ["--version"], env=clean_environ(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/"
    )
    version = parse_pip_version(done.stdout.decode("utf-8", "replace"))
    return version is not None and version >= FIRST_PIP


def resolve_lists(install: List[List[str]], code: Path, pip: Pip) -> List[Json]:
    """The packages of all lists together; see `pip_report.merge`. Raises BuiltinError.

    A later list takes what an earlier one has brought, where it can. What a list that installs from the code tree
    brings is known only when it is built.
    """
    found: List[List[Json]] = []
    for arguments in install:
        if uses_code_tree([arguments], code):
            pip.tell("not pinned: what comes with " + " ".join(arguments))
            found.append([])
        else:
            found.append(_resolve(arguments, code, pip, merge(found)))
    return merge(found)


def _resolve(arguments: List[str], code: Path, pip: Pip, before: List[Json]) -> List[Json]:
    with tempfile.TemporaryDirectory() as scratch:
        held = os.path.join(scratch, "constraints.txt")
        with open(held, "w") as file:
            file.writelines("{name}=={version}\n".format(**row) for row in before)
        report = Path(scratch) / "report.json"
        argv = pip.argv + ["install", "--dry-run", "--ignore-installed", "--report", str(report)]
        argv += list(pip.options) + arguments
        exit_code, output = pip.run(argv + (["-c", held] if before else []), code)
        if exit_code != 0 and before and contradicts(output):
            exit_code, output = pip.run(argv, code)
        if exit_code != 0:
            raise BuiltinError(explain_pip(output, pip.what))
        try:
            return [_with_hash(row) for row in parse_report(report.read_text())]
        except (OSError, ValueError):
            raise BuiltinError("pip does not say what it would install") from None


def _with_hash(row: Json) -> Json:
    """pip before 23.1 has no hash of a file in a folder of this machine."""
    parts = urlsplit(row["url"])
    if row["sha256"] or parts.scheme != "file":
        return row
    digest = hashlib.sha256()
    with open(unquote(parts.path), "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return dict(row, sha256=digest.hexdigest())
