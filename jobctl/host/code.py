"""The builtin step `@host code`: the job's code from a git address, on the host itself.

Commits are kept in a bare mirror for each address, `git/<hash>`, fetched under a lock; a repository on this host is
read where it is. A run's tree is written out and stands for itself afterwards: there is no `.git` in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from .builtin import BuiltinError, run_builtin, say
from .files import read_json
from .git_words import explain_git, parse_gitlinks, parse_submodules, submodule_url
from .locks import locked
from .pip_arguments import Reader
from .pip_words import hide_credentials

_DEEPEST_SUBMODULE = 5


def main(root: Path, run_dir: Path) -> int:
    """Put the job's code into `run_dir/code`. 0, or 1 with the reason printed. Does nothing when it is there."""
    source = (read_json(run_dir / "job.json") or {}).get("code") or {}

    def work() -> None:
        if _is_filled(run_dir / "code"):
            return say("the code is there already")
        if shutil.which("git") is None:
            raise BuiltinError("there is no git on this host; with `fetch: laptop` the code is cloned there and sent")
        clone(root, source["git"], source.get("commit"), source.get("ref"), run_dir / "code")

    return run_builtin("the code", work)


def clone(root: Path, url: str, commit: Optional[str], ref: Optional[str], code: Path, depth: int = 0) -> None:
    """Write the tree of `commit` (or of `ref`, or the default branch) of `url` to the folder `code`, all or nothing.

    A `code` that is there and not empty is left as it is. Raises BuiltinError, OSError.
    """
    if _is_filled(code):
        say("the code is there already")
        return
    local = Path(url[7:] if url.startswith("file://") else os.path.expanduser(url))
    if local.is_dir():
        mirror, commit = _find_local(local, commit or ref or "HEAD")
    else:
        mirror = _mirror_of(root, url)
        mirror.parent.mkdir(parents=True, exist_ok=True)
        with locked(mirror.with_name(mirror.name + ".lock")):
            commit = _fetch(mirror, url, commit, ref)
    say("commit {} of {}".format(commit, hide_credentials(url)))
    beside = code.with_name(".{}.part".format(code.name))
    if beside.exists():
        shutil.rmtree(str(beside))
    beside.mkdir(parents=True)
    _write_tree(mirror, url, commit, beside)
    _add_submodules(root, mirror, url, commit, beside, depth)
    os.replace(str(beside), str(code))


def _is_filled(code: Path) -> bool:
    return code.is_dir() and bool(os.listdir(str(code)))


def commit_reader(root: Path, url: str, commit: Optional[str]) -> Optional[Reader]:
    """Reads files of a commit that is here already; None where it is not, or is not named by its hash."""
    local = Path(url[7:] if url.startswith("file://") else os.path.expanduser(url))
    git_dir = local if local.is_dir() else _mirror_of(root, url)
    if not commit or not git_dir.is_dir() or shutil.which("git") is None or not _has(git_dir, commit):
        return None

    def read(name: str) -> Optional[bytes]:
        if name.startswith(("../", "/")):
            return None
        argv = ["git", "cat-file", "blob", "{}:{}".format(commit, name)]
        done = subprocess.run(
            argv, cwd=str(git_dir), env=_environ(None), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return done.stdout if done.returncode == 0 else None

    return read


def _mirror_of(root: Path, url: str) -> Path:
    return root / "git" / hashlib.sha256(os.fsencode(url)).hexdigest()[:16]


def _find_local(folder: Path, name: str) -> Tuple[Path, str]:
    code, output = _call(["rev-parse", "--absolute-git-dir"], folder, quiet=True)
    if code != 0:
        raise BuiltinError(explain_git(output, str(folder)))
    git_dir = Path(output.rstrip("\n"))
    for tried in (name, "refs/remotes/origin/" + name):
        commit = _resolve(git_dir, tried)
        if commit is not None:
            return git_dir, commit
    raise BuiltinError("{} is not in {}".format(name, folder))


def _fetch(mirror: Path, url: str, commit: Optional[str], ref: Optional[str]) -> str:
    """The commit, in the mirror from now on. A full commit that is there already costs no question to the network."""
    if not (mirror / "HEAD").exists():
        _git(["init", "--quiet", "--bare", str(mirror)], mirror.parent, url)
    if commit and _has(mirror, commit):
        return commit
    wanted = commit or ref or "HEAD"
    say("fetching {} from {}".format(wanted, hide_credentials(url)))
    # One commit without its history, where the server gives single commits away; else everything.
    shallow = ["fetch", "--progress", "--no-tags", "--depth", "1", "--", url, wanted]
    if _call(shallow, mirror)[0] == 0:
        wanted = commit or "FETCH_HEAD"
    else:
        everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        _git(["fetch", "--progress", "--force", "--", url] + everything, mirror, url)
    found = _resolve(mirror, wanted)
    if found is None:
        raise BuiltinError("{} is not in {}".format(wanted, hide_credentials(url)))
    return found


def _has(mirror: Path, commit: str) -> bool:
    return _call(["cat-file", "-e", commit + "^{tree}"], mirror, quiet=True)[0] == 0


def _resolve(git_dir: Path, name: str) -> Optional[str]:
    code, output = _call(["rev-parse", "--verify", "--quiet", name + "^{commit}"], git_dir, quiet=True)
    return output.strip() if code == 0 else None


def _write_tree(mirror: Path, url: str, commit: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        own_index = {"GIT_INDEX_FILE": os.path.join(scratch, "index")}
        _git(["read-tree", commit], mirror, url, own_index)
        argv = ["--git-dir", str(mirror), "--work-tree", str(folder), "checkout-index", "--all", "--force"]
        code, output = _call(argv, folder, own_index)
    missing = [line for line in output.splitlines() if "unable to read" in line]
    if code != 0 and not missing:
        raise BuiltinError(explain_git(output, hide_credentials(url)))
    for line in missing:  # some copies of PaddleSeg lack the blob of a picture; the code is whole without it
        say("warning: the repository is not whole: {}".format(line))


def _add_submodules(root: Path, mirror: Path, url: str, commit: str, folder: Path, depth: int) -> None:
    if not (folder / ".gitmodules").is_file():
        return
    links = dict(parse_gitlinks(_bytes(["ls-tree", "-r", "-z", commit], mirror)))
    listing = _bytes(["config", "-z", "--file", str(folder / ".gitmodules"), "--list"], mirror)
    for path, address in parse_submodules(listing):
        if path not in links or not address:
            continue
        if depth >= _DEEPEST_SUBMODULE:
            raise BuiltinError("submodules within submodules, {} deep, at {}".format(depth, path))
        say("submodule {}".format(path))
        clone(root, submodule_url(url, address), links[path], None, folder / path, depth + 1)


def _git(arguments: List[str], cwd: Path, url: str, environ: Optional[Dict[str, str]] = None) -> None:
    code, output = _call(arguments, cwd, environ)
    if code != 0:
        raise BuiltinError(hide_credentials(explain_git(output, url)))


def _call(
    arguments: List[str], cwd: Path, environ: Optional[Dict[str, str]] = None, quiet: bool = False
) -> tuple[int, str]:
    """Run git, its output shown as it comes unless `quiet`; the exit code and the output."""
    child = subprocess.Popen(
        ["git"] + arguments,
        cwd=str(cwd),
        env=_environ(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout is not None
    said = []
    for line in child.stdout:
        said.append(line.decode("utf-8", "replace"))
        if not quiet:
            sys.stdout.write(hide_credentials(said[-1]))
            sys.stdout.flush()
    return child.wait(), "".join(said)


def _bytes(arguments: List[str], cwd: Path) -> bytes:
    return subprocess.run(["git"] + arguments, cwd=str(cwd), env=_environ(None), stdout=subprocess.PIPE).stdout


def _environ(more: Optional[Dict[str, str]]) -> Dict[str, str]:
    """git without questions: nobody is there to answer. GIT_DIR and the like of the login would lead elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE")}
    kept.update(GIT_TERMINAL_PROMPT="0", LC_ALL="C.UTF-8")
    kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    kept.update(more or {})
    return kept
