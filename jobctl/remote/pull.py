"""Brings what a run left to the laptop: by hash, incremental, resumable at any byte."""

from __future__ import annotations

import errno
import fnmatch
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobctl.errors import TransferError
from jobctl.laptop.pulled import Part, PullTarget
from jobctl.plan.manifest import Entry, diff_pull
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel

Progress = Callable[[str, int, int], None]
"""Called with ("pull", bytes here, bytes in all)."""


@dataclass(frozen=True)
class Pulled:
    """What a pull did. Paths are relative to `folder`; `artifacts`: artifact name -> its files."""

    folder: Path
    fetched: tuple[str, ...]
    unchanged: tuple[str, ...]
    size_bytes: int
    artifacts: dict[str, tuple[str, ...]]


def pull_run(
    channel: HostChannel,
    run_id: str,
    folder: Path,
    only: Sequence[str] = (),
    progress: Progress = lambda file, done, total: None,
) -> Pulled:
    """`only`: patterns for paths or artifact names. Raises TransferError, RunNotFound, ConnectionLost."""
    rows = _listing(channel, run_id)
    chosen = [(entry, name) for entry, name in rows if _wanted(entry.path, name, only)]
    if only and not chosen:
        there = sorted({name for _, name in rows})
        raise TransferError(
            "nothing of this run matches", value=", ".join(only), where=run_id, hint=f"it has: {', '.join(there)}"
        )
    try:
        target = PullTarget(folder)
        entries = [entry for entry, _ in chosen]
        todo = diff_pull(entries, target.known(entries))
        total = sum(entry.size for entry in todo.fetch)
        done = 0
        for entry in todo.fetch:
            for here in _fetch(channel, run_id, target, entry):
                progress("pull", done + here, total)
            done += entry.size
            target.remember([entry])
        target.remember(todo.keep)
    except OSError as error:
        raise _local_error(error, folder) from None
    artifacts: dict[str, tuple[str, ...]] = {}
    for entry, name in chosen:
        artifacts[name] = (*artifacts.get(name, ()), entry.path)
    fetched = tuple(entry.path for entry in todo.fetch)
    return Pulled(target.folder, fetched, tuple(entry.path for entry in todo.keep), total, artifacts)


def _listing(channel: HostChannel, run_id: str) -> list[tuple[Entry, str]]:
    with channel.exchange("artifacts", run_id=run_id) as exchange:
        for header, _ in exchange:
            if "rows" in header:
                return Answer(channel.host, header).artifacts()
    raise TransferError("the host did not list what the run left", where=run_id)


def _wanted(path: str, artifact: str, only: Sequence[str]) -> bool:
    return not only or any(
        artifact == pattern or fnmatch.fnmatchcase(path, pattern) or path.startswith(pattern.rstrip("/") + "/")
        for pattern in only
    )


def _fetch(channel: HostChannel, run_id: str, target: PullTarget, entry: Entry) -> Iterator[int]:
    """Bring one file; gives the bytes of it that are here, again and again."""
    part = Part(target, entry)
    try:
        if part.offset < entry.size:
            with channel.exchange("get", run_id=run_id, path=entry.path, offset=part.offset) as exchange:
                for _, payload in exchange:
                    part.write(payload)
                    yield part.offset
        if not part.finish():
            raise TransferError(
                "a file is not what the host announced",
                where=entry.path,
                hint="it was written to meanwhile; nothing of it was kept",
                next_command=f"jobctl pull {run_id}",
            )
    finally:
        part.close()


def _local_error(error: OSError, folder: Path) -> TransferError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransferError(
            "no space left on this machine", where=str(folder), hint="what is complete stays; pull again"
        )
    return TransferError(f"cannot write here: {error.strerror}", where=str(error.filename or folder))
