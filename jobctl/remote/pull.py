"""Brings what a run left to the laptop: by hash, incremental, resumable at any byte."""

from __future__ import annotations

import errno
import fnmatch
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobctl.errors import InputError, TransferError
from jobctl.laptop.pulled import PullTarget
from jobctl.plan.manifest import Entry, diff_pull
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.remote.fetch import Fetch, Progress
from jobctl.remote.lanes import Lanes


@dataclass(frozen=True)
class Pulled:
    """What a pull did. Paths are relative to `folder`; `artifacts`: artifact name -> its files.

    `empty`: artifact name -> its glob, where no file of the run matches.
    `event_files`: what was made of the metrics for TensorBoard and VisualDL.
    `changed`: what the run wrote to, or removed, each time it was fetched; pull again when the run has ended.
    """

    folder: Path
    fetched: tuple[str, ...]
    unchanged: tuple[str, ...]
    size_bytes: int
    artifacts: dict[str, tuple[str, ...]]
    changed: tuple[str, ...] = ()
    empty: dict[str, str] = field(default_factory=dict)
    event_files: tuple[str, ...] = ()


def pull_run(
    lanes: Lanes,
    run_id: str,
    folder: Path,
    only: Sequence[str] = (),
    progress: Progress = lambda file, done, total: None,
    by: str = "",
) -> Pulled:
    """`only`: patterns for paths or artifact names. Raises TransferError, RunNotFound, ConnectionLost.

    A run that goes on may be pulled: a log arrives as far as it was listed, another file that changes meanwhile is
    listed and fetched once more. When all of a run that is over is here, the host is told so: `by` has it.
    """
    channel = lanes.channel

    def expect(large: list[tuple[str, int, str]]) -> None:
        lanes.expect(sum(size for path, size, name in large if _wanted(path, name, only)))

    rows, empty, over = _listing(channel, run_id, expect)
    chosen = _choose(rows, empty, only, run_id)
    with local_errors(folder):
        target = PullTarget(folder)
        entries = [entry for entry, _ in chosen]
        target.check(entries)
        todo = diff_pull(entries, target.known(entries))
        target.remember(todo.keep)
        fetch = Fetch(lanes, run_id, target, sum(entry.size for entry in todo.fetch), progress)
        late = {entry.path for entry in fetch.all(todo.fetch)}
        wrong: set[str] = set()
        if late:
            newer = [entry for entry, _ in _listing(channel, run_id)[0] if entry.path in late]
            wrong = {entry.path for entry in fetch.all(newer)}
            late = wrong | (late - {entry.path for entry in newer})
    if wrong and over is not None:
        raise TransferError(
            "what the host sends is not what it announced, twice, though the run is over",
            where=f"{channel.host}: {run_id}",
            value=", ".join(sorted(wrong)[:5]),
            hint="a disk that fails there, or a process that still writes; the other files are here",
        )
    artifacts: dict[str, tuple[str, ...]] = {}
    for entry, name in chosen:
        if entry.path not in late:
            artifacts[name] = (*artifacts.get(name, ()), entry.path)
    fetched = tuple(entry.path for entry in todo.fetch if entry.path not in late)
    kept = tuple(entry.path for entry in todo.keep)
    if over is not None and len(chosen) == len(rows) and not late:
        channel.call("pulled", run_id=run_id, over=over, by=by)
    return Pulled(target.folder, fetched, kept, fetch.size_bytes, artifacts, tuple(sorted(late)), empty)


def _choose(
    rows: list[tuple[Entry, str]], empty: dict[str, str], only: Sequence[str], run_id: str
) -> list[tuple[Entry, str]]:
    """Those of the listing that are asked for. Raises InputError where none is."""
    chosen = [(entry, name) for entry, name in rows if _wanted(entry.path, name, only)]
    if only and not chosen:
        there = sorted({name for _, name in rows})
        nothing = f"; no file matches: {', '.join(f'{name} ({glob})' for name, glob in empty.items())}" if empty else ""
        raise InputError(
            "nothing of this run matches",
            value=", ".join(only),
            where=run_id,
            hint=f"it has: {', '.join(there)}{nothing}",
        )
    return chosen


def _listing(
    channel: HostChannel, run_id: str, announced: Callable[[list[tuple[str, int, str]]], None] = lambda large: None
) -> tuple[list[tuple[Entry, str]], dict[str, str], list[Any] | None]:
    """(files with their artifacts' names, name -> glob of the artifacts without files, how the run had ended).

    `announced` is called with (path, size in bytes, artifact name) of large ones that the host begins to hash.
    """
    found: list[tuple[Entry, str]] = []
    empty: dict[str, str] = {}
    over = None
    with channel.exchange("artifacts", run_id=run_id) as exchange:
        for header, _ in exchange:
            answer = Answer(channel.host, header)
            if "large" in header:
                announced(answer.large())
            if "rows" in header or not header.get("more"):
                found += answer.artifacts()
            if not header.get("more"):
                empty, over = answer.empty_artifacts(), answer.over()
    return found, empty, over


def _wanted(path: str, artifact: str, only: Sequence[str]) -> bool:
    return not only or any(
        artifact == pattern or fnmatch.fnmatchcase(path, pattern) or path.startswith(pattern.rstrip("/") + "/")
        for pattern in only
    )


@contextmanager
def local_errors(folder: Path) -> Iterator[None]:
    """What this machine's disk has against it becomes a TransferError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise TransferError(
                "no space left on this machine", where=str(folder), hint="what is complete stays; pull again"
            ) from None
        raise TransferError(f"cannot write here: {error.strerror}", where=str(error.filename or folder)) from None
