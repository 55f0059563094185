"""Brings each checkpoint of a run as it becomes complete, so that a host that dies costs one interval."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobctl.laptop.pulled import PullTarget
from jobctl.plan.manifest import Entry, diff_pull
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.remote.fetch import Fetch, Progress
from jobctl.remote.lanes import Lanes
from jobctl.remote.pull import local_errors


def mirror_checkpoints(
    lanes: Lanes, run_id: str, folder: Path, tell: Callable[[str], None], progress: Progress
) -> bool:
    """Bring the complete checkpoints that are not here, the newest first, each whole or not at all.

    True: the run is over. Raises TransferError, HostErrors, RunNotFound.
    """
    found, over = _listing(lanes.channel, run_id)
    with local_errors(folder):
        target = PullTarget(folder)
        target.check(entry for entries in found.values() for entry in entries)
        for name, entries in reversed(found.items()):
            todo = diff_pull(entries, target.known(entries)).fetch
            if not todo:
                continue
            size = sum(entry.size for entry in todo)
            if Fetch(lanes, run_id, target, size, progress).together(todo):
                tell(f"{name} is here")
    return over


def _listing(channel: HostChannel, run_id: str) -> tuple[dict[str, list[Entry]], bool]:
    """Checkpoint -> its files, in the order of their iterations as far as they are known; whether the run is over."""
    answer = Answer(channel.host, channel.call("checkpoints", run_id=run_id).header)
    found: dict[str, list[Entry]] = {}
    for entry, name in answer.artifacts():
        found.setdefault(name, []).append(entry)
    return dict(sorted(found.items(), key=lambda row: _iteration(row[0]))), answer.over() is not None


def _iteration(name: str) -> int:
    last = name.rpartition("_")[2]
    return int(last) if last.isdecimal() and len(last) < 16 else -1
