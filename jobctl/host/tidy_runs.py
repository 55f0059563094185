"""Which runs may go: those that are over, old, and pulled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, List, NamedTuple, Optional

from . import processes, states
from .control import read_job, status
from .files import Json, read_json
from .launch import check_run_id
from .locks import locked, take_lock
from .removal import Item, StillNeeded, put_aside, remove, size_of
from .results import PULLED, over_mark
from .server import OpError


class RunHere(NamedTuple):
    """A run below the work_dir. `state` None: it is still put together, or damaged."""

    name: str
    path: Path
    state: Optional[str]
    job: Json
    status: Json

    @property
    def is_live(self) -> bool:
        return self.state not in states.FINAL and self.state != states.LOST

    @property
    def may_go_on(self) -> bool:
        """It runs, or can be resumed."""
        return self.state != states.SUCCEEDED


def runs_here(root: Path) -> List[RunHere]:
    """Every run, those in `staging/` too. That is looked at first: a run moves from there to `runs/`."""
    staged = [
        RunHere(name, root / "staging" / name, None, _job(root / "staging" / name), {})
        for name in _names(root, "staging")
    ]
    return staged + [look(root / "runs" / name) for name in _names(root, "runs")]


def _names(root: Path, folder: str) -> List[str]:
    try:
        return sorted(
            name for name in os.listdir(str(root / folder)) if name[0] != "." and (root / folder / name).is_dir()
        )
    except OSError:
        return []


def _job(run_dir: Path) -> Json:
    return read_json(run_dir / "job.json") or {}


def look(run_dir: Path) -> RunHere:
    """One run, as it is now."""
    try:
        check_run_id(run_dir.name)
        found = status(run_dir)
    except OpError:
        return RunHere(run_dir.name, run_dir, None, read_job(run_dir) or {}, {})
    return RunHere(run_dir.name, run_dir, str(found["state"]), _job(run_dir), found)


def survey(root: Path, older_than_s: float, unpulled: bool, now: float) -> List[Item]:
    """All runs in `runs/`: which go, which stay, and why."""
    items = []
    for name in _names(root, "runs"):
        run = look(root / "runs" / name)
        why = _kept_because(run, older_than_s, unpulled, now)
        ended = over_at(run.status)
        age_s = None if ended is None else now - ended
        size_bytes = 0 if run.path.is_symlink() else size_of(run.path)
        if why is not None:
            items.append(Item("run", "runs/" + name, size_bytes, age_s, why))
            continue
        pulled = "pulled" if is_pulled(run) else "not pulled"
        take = _taker(root, run.path, older_than_s, unpulled, now)
        items.append(Item("run", "runs/" + name, size_bytes, age_s, "{}, {}".format(run.state, pulled), take))
    return items


def _kept_because(run: RunHere, older_than_s: float, unpulled: bool, now: float) -> Optional[str]:
    if run.path.is_symlink():
        return "a link, which is not followed"
    if run.state is None:
        return "its job.json is damaged: nobody can tell whether it is needed; remove it by hand"
    if run.is_live:
        return "it is {}".format(run.state)
    ended = over_at(run.status)
    if ended is None or now - ended < older_than_s:
        resumable = " and can be resumed" if run.may_go_on else ""
        return "{}, younger than the limit{}".format(run.state, resumable)
    if not unpulled and not is_pulled(run):
        return "{}, not pulled since: jobctl pull {}".format(run.state, run.name)
    if run.state == states.LOST and processes.processes_of(run.path):
        return "LOST, but processes of it still live: jobctl cancel {}".format(run.name)
    return None


def over_at(status: Json) -> Optional[float]:
    """When a run was over, as far as anybody knows; seconds since the epoch."""
    for name in ("ended_at", "updated_at", "submitted_at"):
        value: Any = status.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return None


def is_pulled(run: RunHere) -> bool:
    """Whether all that it left was pulled after its end."""
    mark = over_mark(run.status)
    return mark is not None and (read_json(run.path / PULLED) or {}).get("over") == mark


def _taker(root: Path, run_dir: Path, older_than_s: float, unpulled: bool, now: float) -> Any:
    def take_away() -> None:
        # Nobody can start or resume it meanwhile: whoever does holds one of these locks.
        with locked(root / "runs" / ".lock"):
            run = look(run_dir)
            why = _kept_because(run, older_than_s, unpulled, now)
            if why is not None:
                raise StillNeeded(why)
            # A supervisor that has just ended its run holds its lock for a moment yet.
            lock = take_lock(run_dir / "supervisor.lock", wait_s=5.0 if run.state in states.FINAL else 0.0)
            if lock is None:
                raise StillNeeded("somebody has just taken it up")
            try:
                if over_at(read_json(run_dir / "status.json") or run.status) != over_at(run.status):
                    raise StillNeeded("somebody has just taken it up")
                aside = put_aside(run_dir)
            finally:
                os.close(lock)
        remove(aside)

    return take_away
