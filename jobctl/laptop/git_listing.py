"""What git says belongs to a working tree: what it tracks and what it does not ignore, and the same of each submodule.

git is asked itself, by one process that also lists the index; its answer is kept as a hash, so that the same answer
again need not be taken apart. It runs while the files are looked at.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobctl.errors import CodeSourceError
from jobctl.laptop.git import make_git_env, run_git
from jobctl.plan.manifest import LeftOut

NOT_CHECKED_OUT = "a submodule that is not checked out; git submodule update --init --recursive"
A_REPOSITORY = "a git repository of its own, no submodule"
_LIST = ("ls-files", "-z", "--stage", "--others", "-t", "--exclude-standard")
_STATUS = ("status", "--porcelain", "--no-renames", "--untracked-files=no", "--", ".")


@dataclass
class Listing:
    """`said`: the answers, `[[prefix, hash or null, whether there are untracked files], ...]`, for each repository."""

    said: list[list[Any]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)


class Question:
    """git, asked about a folder, still thinking."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listing = _start(folder, *_LIST)
        # A folder that a repository around it ignores (a build or scratch folder) is no part of that repository.
        self._ignored = None if _is_checked_out(folder) else _start(folder, "check-ignore", "--quiet", ".")
        self._head = _start(folder, "rev-parse", "--verify", "--quiet", "HEAD")

    def answer(self, remembered: Any) -> Listing | None:
        """What belongs to the folder; None where no repository has a say in it.

        Where git says what it said before (`remembered`, the `said` of then), the names are left empty. Raises
        CodeSourceError where git has something against the folder.
        """
        output = _end(self._listing)
        ignored = _end(self._ignored) is not None
        if output is None or ignored:
            _end(self._head)
            if output is None:
                _check_no_repository(self._folder)
            return None
        return _listing(self._folder, output, remembered)

    def head(self) -> str | None:
        """The commit that is checked out; None: there is none yet. To be asked once, after `answer`."""
        return (_end(self._head) or b"").decode().strip() or None


def ask_status(folder: Path, head: str, listing: Listing) -> str:
    """The commit `head`, "+" behind it where there is uncommitted work."""
    untracked = any(row[2] for row in listing.said)
    return head + ("+" if untracked or _end(_start(folder, *_STATUS)) else "")


def _listing(folder: Path, output: bytes, remembered: Any) -> Listing:
    if remembered and remembered[0][:2] == ["", _hash(output)] and _same_submodules(folder, remembered[1:]):
        return Listing(said=remembered)
    found = Listing()
    _take(found, folder, "", output)
    return found


def _same_submodules(folder: Path, remembered: list[list[Any]]) -> bool:
    """All are asked at once."""
    there = [(row[0], row[1]) for row in remembered]
    if any(_is_checked_out(folder / prefix) != (said is not None) for prefix, said in there):
        return False
    asked = [(_start(folder / prefix, *_LIST), said) for prefix, said in there if said is not None]
    answers = [(_end(process), said) for process, said in asked]
    return all(output is not None and _hash(output) == said for output, said in answers)


def _take(found: Listing, folder: Path, prefix: str, output: bytes) -> None:
    found.said.append([prefix, _hash(output), output.startswith(b"? ") or b"\0? " in output])
    for submodule in sorted(_names(found, prefix, output)):
        inside, below = folder / submodule, f"{prefix}{submodule}/"
        listed = _end(_start(inside, *_LIST)) if _is_checked_out(inside) else None
        if listed is None:
            found.said.append([below, None, False])
            found.left_out.append(LeftOut(NOT_CHECKED_OUT, (below[:-1],)))
        else:
            _take(found, inside, below, listed)


def _names(found: Listing, prefix: str, output: bytes) -> Iterator[str]:
    """Adds the files to what was found; gives the submodules."""
    for row in filter(None, output.split(b"\0")):
        if row.startswith(b"? "):
            name = os.fsdecode(row[2:])
            if name.endswith("/"):
                found.left_out.append(LeftOut(A_REPOSITORY, (prefix + name[:-1],)))
            else:
                found.names.add(prefix + name)
            continue
        head, _, path = row.partition(b"\t")  # "H 100644 <blob> 0"
        if head[2:8] == b"160000":
            yield os.fsdecode(path)
        else:
            found.names.add(prefix + os.fsdecode(path))


def _is_checked_out(folder: Path) -> bool:
    return os.path.lexists(folder / ".git")


def _hash(output: bytes) -> str:
    return hashlib.sha256(output).hexdigest()


def _check_no_repository(folder: Path) -> None:
    """Raises CodeSourceError where git has something against the folder: to send what it ignores (secrets, datasets) is
    no way out.
    """
    try:
        done = run_git(folder, "rev-parse", "--is-inside-work-tree")
        said = done.stderr.decode("utf-8", "replace").strip()
        if done.returncode == 0 and done.stdout.strip() != b"true":
            return
    except FileNotFoundError:
        said = "git is not installed on this machine"
    if any((above / ".git").exists() for above in (folder.absolute(), *folder.absolute().parents)):
        raise CodeSourceError("git does not say what belongs to the code folder", where=str(folder), value=said[-400:])


def ask_ignored(folder: Path, prefixes: Iterable[str]) -> list[str]:
    """What git ignores in a folder, and below it at `prefixes` (submodules); a folder ignored whole ends with "/"."""
    names = []
    for prefix in prefixes:
        output = run_git(
            folder / prefix, "ls-files", "-z", "--others", "--ignored", "--directory", "--exclude-standard"
        ).stdout
        names += [prefix + os.fsdecode(row) for row in output.split(b"\0") if row]
    return names


def _start(folder: Path, *args: str) -> subprocess.Popen[bytes] | None:
    """None: no git here."""
    argv = ["git", "-C", os.fspath(folder), *args]
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(argv, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, env=make_git_env())
    except FileNotFoundError:
        return None


def _end(process: subprocess.Popen[bytes] | None) -> bytes | None:
    """What it printed; None where it says no."""
    if process is None:
        return None
    with process:
        assert process.stdout
        output = process.stdout.read()
    return output if process.returncode == 0 else None
