"""A commit of a git repository as a tree that can be sent, read without a checkout.

A local repository is read where it is. One behind a URL is fetched, that one commit deep, into a bare repository among
jobctl's caches.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobctl.errors import CodeSourceError
from jobctl.laptop.folder_tree import is_lfs_pointer
from jobctl.laptop.git import make_git_env, run_git
from jobctl.laptop.tree_source import EXCLUDED, without
from jobctl.plan.manifest import Base, Entry, Kind, LeftOut, Manifest, make_manifest

A_SUBMODULE = "a submodule; a working tree (`code.path`) sends it, and so does `fetch: host`"
_SHORT_COMMIT = re.compile(r"[0-9a-f]{4,40}\Z")
_KINDS: dict[str, Kind] = {"100644": "f", "100664": "f", "100755": "x", "120000": "l"}


class GitTree:
    """The files of one commit."""

    def __init__(self, repository: Path, commit: str, exclude: tuple[str, ...], cache: Path, *, keep: bool) -> None:
        self._repository = repository
        self.commit: str | None = commit
        self.base: Base | None = None
        self._blobs, self.left_out = _list_blobs(repository, commit, exclude)
        key = hashlib.sha256(json.dumps([commit, exclude]).encode()).hexdigest()[:32]
        kept = cache / "git-manifests" / f"{key}.tree"
        found = _load_manifest(kept)
        self.is_new = found is None
        self.manifest, self.pointers = found or self._read_manifest(kept if keep else None)

    def _read_manifest(self, keep: Path | None) -> tuple[Manifest, tuple[str, ...]]:
        """Reads every blob once to learn its SHA-256 (git knows its own hash of it only)."""
        entries = []
        pointers = []
        for path, (mode, data) in zip(self._blobs, self._read(self._blobs), strict=True):
            kind = _KINDS[mode]
            content = os.fsdecode(data) if kind == "l" else hashlib.sha256(data).hexdigest()
            entries.append(Entry(path, kind, len(data), content))
            if is_lfs_pointer(data):
                pointers.append(path)
        manifest = make_manifest(entries)
        if keep is not None:
            with contextlib.suppress(OSError):  # what cannot be kept is read again the next time
                keep.parent.mkdir(parents=True, exist_ok=True)
                beside = keep.with_suffix(f".{os.getpid()}.tmp")
                beside.write_bytes(json.dumps(pointers).encode("ascii") + b"\n" + manifest.data)
                beside.replace(keep)
        return manifest, tuple(pointers)

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        wanted = list(entries)
        for entry, (_, data) in zip(wanted, self._read(entry.path for entry in wanted), strict=True):
            yield entry, iter((data,))

    def file(self, entry: Entry) -> Path | None:
        return None

    def _read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(mode, content) of each path, through one `git cat-file`."""
        argv = ["git", "-C", os.fspath(self._repository), "cat-file", "--batch"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=make_git_env()) as git:
            assert git.stdin and git.stdout
            for path in paths:
                mode, blob = self._blobs[path]
                git.stdin.write(blob.encode() + b"\n")
                git.stdin.flush()
                head = git.stdout.readline().split()
                if len(head) != 3:
                    git.stdin.close()
                    raise CodeSourceError(
                        "the repository lacks a file of this commit (a partial clone?)",
                        where=f"{self._repository} at {self.commit}",
                        value=path,
                        hint="fetch it, or leave it out with `code.exclude`",
                    )
                data = git.stdout.read(int(head[2]))
                git.stdout.read(1)
                yield mode, data
            git.stdin.close()


def _list_blobs(
    repository: Path, commit: str, exclude: tuple[str, ...]
) -> tuple[dict[str, tuple[str, str]], tuple[LeftOut, ...]]:
    output = _git(repository, "ls-tree", "-r", "-z", "--full-tree", commit)
    rows: dict[str, tuple[str, str]] = {}
    left_out = []
    for row in filter(None, output.split(b"\0")):
        head, _, name = row.partition(b"\t")
        mode, kind, blob = head.decode().split()
        if kind == "blob":
            rows[os.fsdecode(name)] = (mode, blob)
        else:
            left_out.append(LeftOut(A_SUBMODULE, (os.fsdecode(name),)))
    kept = without(rows, exclude)
    if len(kept) < len(rows):
        left_out.append(LeftOut(EXCLUDED, files=len(rows) - len(kept)))
    return {path: rows[path] for path in kept}, tuple(left_out)


def _load_manifest(path: Path) -> tuple[Manifest, tuple[str, ...]] | None:
    try:
        head, _, rest = path.read_bytes().partition(b"\n")
        manifest = Manifest(rest)
        return (manifest, tuple(json.loads(head))) if manifest.entries else None
    except (OSError, ValueError, TypeError):
        return None


def open_git_tree(source: str, ref: str, exclude: tuple[str, ...], cache: Path, *, keep: bool = True) -> GitTree:
    """`source`: a local repository or a URL. With `keep=False` nothing is left in the cache.

    Raises CodeSourceError where the repository, or the ref in it, is not there.
    """
    local = Path(source).expanduser()
    if local.is_dir():
        return GitTree(local, _resolve(local, ref), exclude, cache, keep=keep)
    if not keep:
        with tempfile.TemporaryDirectory(prefix="jobctl-plan-") as folder:
            return open_git_tree(source, ref, exclude, Path(folder))
    repository = cache / "git" / (hashlib.sha256(source.encode()).hexdigest()[:24] + ".git")
    repository.mkdir(parents=True, exist_ok=True)
    with _locked(repository):
        _git(repository, "init", "--quiet", "--bare")
        commit = _fetch(repository, source, ref)
    return GitTree(repository, commit, exclude, cache, keep=True)


def _fetch(repository: Path, source: str, ref: str) -> str:
    """The commit that `ref` names there, with its files; its history only where a short hash asks for it."""
    done = _run(repository, "fetch", "--quiet", "--depth", "1", "--no-tags", "--", source, ref)
    if done.returncode == 0:
        return _git(repository, "rev-parse", "FETCH_HEAD^{commit}").decode().strip()
    message = done.stderr.decode("utf-8", "replace").strip()
    if "couldn't find remote ref" not in message and "not our ref" not in message:
        raise CodeSourceError(
            "cannot fetch the git repository",
            where=source,
            value=message[-400:],
            hint="no such folder or URL, or this machine cannot reach it",
            next_command=f"git ls-remote {shlex.quote(source)}",
        )
    if _SHORT_COMMIT.match(ref):
        _git(repository, "fetch", "--quiet", "--no-tags", "--", source, "+refs/heads/*:refs/jobctl/*")
        found = _run(repository, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.decode().strip()
    raise CodeSourceError(
        "the git repository has no such ref",
        where=source,
        value=ref,
        next_command=f"git ls-remote {shlex.quote(source)}",
    )


def _resolve(repository: Path, ref: str) -> str:
    """A ref of a local repository; a branch that only the remote has counts too."""
    for name in (ref, f"origin/{ref}"):
        done = _run(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if done.returncode == 0:
            return done.stdout.decode().strip()
    if _run(repository, "rev-parse", "--git-dir").returncode != 0:
        raise CodeSourceError(
            "this folder is not a git repository",
            where=str(repository),
            hint="a plain folder or working tree is `code.path`",
        )
    raise CodeSourceError(
        "the git repository has no such ref",
        where=str(repository),
        value=ref,
        next_command=f"git -C {repository} branch -a",
    )


@contextlib.contextmanager
def _locked(repository: Path) -> Iterator[None]:
    with (repository / "jobctl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(repository: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return run_git(repository, *args)
    except FileNotFoundError:
        raise CodeSourceError("git is not installed on this machine", next_command="apt-get install git") from None


def _git(repository: Path, *args: str) -> bytes:
    done = _run(repository, *args)
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip()
        raise CodeSourceError("git says no", where=str(repository), value=message[-400:])
    return done.stdout
