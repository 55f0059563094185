"""Bringing a run that has failed, was cancelled or is lost back to life: the same run, in its own directory."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from . import control, processes, states
from .checkpoints import Checkpoint, choose, complete_checkpoints, defect_of, iteration_of
from .ending import end_everything
from .files import Json, append_line, read_json, write_bytes, write_json
from .going_on import complete_words, iters_of
from .locks import take_lock
from .names import CANCEL_FILE, WEBHOOK
from .server import OpError, Request

_GRACE_S = 10.0
_FROM = (states.FAILED, states.CANCELLED, states.LOST)


class Wish(NamedTuple):
    """What somebody asked for; None: nothing in particular."""

    checkpoint: Optional[str] = None
    stage: Optional[str] = None
    cards: Optional[List[int]] = None
    wait_s: Optional[float] = None


class Beginning(NamedTuple):
    """Where a run begins again. `checkpoint`: the one that was asked for."""

    stage: int
    checkpoint: Optional[Checkpoint] = None


def needs(run_dir: Path) -> Json:
    """What a laptop must bring along: {"secrets": names of those that the host has not kept}. Raises OpError."""
    job = _job_of(run_dir)
    kept = read_json(run_dir / "secrets.json") or {}
    return {"secrets": [name for name in job.get("secrets") or [] if name not in kept]}


def answer(request: Request, root: Path, run_dir: Path) -> Json:
    """The request `resume`. Parameters: run_id; checkpoint, stage, cards, wait_s or None each. Payload: {"secrets",
    "webhook"}."""
    asked = request.params
    wish = Wish(asked.get("checkpoint"), asked.get("stage"), asked.get("cards"), asked.get("wait_s"))
    brought = json.loads(request.payload.decode("utf-8")) if request.payload else {}
    return resume(root, run_dir, wish, brought.get("secrets") or {}, brought.get("webhook"))


def resume(root: Path, run_dir: Path, wish: Wish, secrets: Dict[str, str], webhook: Optional[Json] = None) -> Json:
    """Begin the run again; its status. `webhook`: whom to tell of its end, {"url", "host"}.

    Whoever holds its supervisor's lock is the only one who can.

    Raises OpError "refused", with nothing changed, "no_run" and "supervisor".
    """
    found = control.status(run_dir)
    _check_state(found)
    lock = take_lock(run_dir / "supervisor.lock", wait_s=5.0)
    if lock is None:
        raise _refused(run_dir, "somebody else is resuming or ending it just now", hint="jobctl status tells")
    try:
        job = _job_of(run_dir)
        found = _status_under_lock(run_dir, job)
        _check_state(found)
        beginning = find_beginning(run_dir, job, found, wish)
        _check_secrets(run_dir, job, secrets)
        left = end_everything(run_dir, job, lambda: processes.processes_of(run_dir), _GRACE_S)
        if left:
            raise _refused(run_dir, "these of it cannot be ended: {}".format(left.words()), hint="end them by hand")
        job.update(cards_wanted=wish.cards or job.get("cards_wanted"))
        job.update(wait_s=job.get("wait_s") if wish.wait_s is None else wish.wait_s)
        write_json(run_dir / "job.json", job)
        if secrets:
            write_bytes(run_dir / "secrets.json", json.dumps(secrets).encode("utf-8"), 0o600)
        if webhook:
            write_bytes(run_dir / WEBHOOK, json.dumps(webhook).encode("utf-8"), 0o600)
        begin_again(run_dir, job, "resumed", beginning)
    except BaseException:
        os.close(lock)
        raise
    return control.revive(root, run_dir, lock)


def begin_again(run_dir: Path, job: Json, cause: str, beginning: Optional[Beginning] = None) -> None:
    """Write the status with which the next supervisor goes on. The caller holds supervisor.lock, and no process lives.

    `cause`: "resumed" by hand, or "lost" (its supervisor is gone), which counts as one of the tries of `retry`.
    """
    status = _status_under_lock(run_dir, job)
    at = beginning.stage if beginning else _first_open(status)
    for index, stage in enumerate(status["stages"]):
        stage["attempts"] = max(int(stage.get("attempts") or 0), _attempts_in_logs(run_dir, stage["name"]))
        if index >= at:
            stage.update(state=states.WAITING, started_at=None, ended_at=None, exit_code=None, reason=None)
        elif stage["state"] != states.SUCCEEDED:  # a training that reached its last iteration, see find_beginning
            stage.update(state=states.SUCCEEDED, reason=None)
        if index >= at and cause != "lost":
            stage.update(tries=0, checkpoint_wanted=None)
    chosen = beginning.checkpoint if beginning else None
    if chosen is not None:
        wanted = {"path": str(chosen.path), "iteration": chosen.iteration, "at": time.time()}
        status["stages"][at]["checkpoint_wanted"] = wanted
    status.update(state=states.QUEUED, stage=None, reason=None, started_at=None, ended_at=None, supervisor=None)
    status.update(cards=[], ports=None, waiting=None, retry_at=None, verdict=None, warnings=[])
    status.update(resumes=int(status.get("resumes") or 0) + 1, updated_at=round(time.time(), 3))
    if (run_dir / CANCEL_FILE).exists():
        os.unlink(str(run_dir / CANCEL_FILE))
    begins = status["stages"][at]["name"] if at < len(status["stages"]) else None
    append_line(
        run_dir / "events.jsonl",
        {
            "at": round(time.time(), 3),
            "event": "resumed",
            "cause": cause,
            "stage": begins,
            "resumes": status["resumes"],
        },
    )
    write_json(run_dir / "status.json", status)


def find_beginning(run_dir: Path, job: Json, status: Json, wish: Wish) -> Beginning:
    """Where the run begins again, if it can be done as it is wished. Raises OpError "refused"."""
    names = [stage["name"] for stage in job["stages"]]
    if wish.stage is not None and wish.stage not in names:
        raise _refused(run_dir, "it has no stage {!r}".format(wish.stage), hint="its stages: " + ", ".join(names))
    if wish.cards is not None:
        _check_cards(run_dir, job, wish.cards)
    index = names.index(wish.stage) if wish.stage is not None else _first_open(status)
    if index >= len(names):
        raise _refused(run_dir, "all of its stages have succeeded", hint="--from STAGE repeats one")
    undone = [stage["name"] for stage in status["stages"][:index] if stage["state"] != states.SUCCEEDED]
    if undone:
        why = "{} comes before {} and has not succeeded".format(undone[0], names[index])
        if len(undone) > 1 or not _is_complete(run_dir, job, names.index(undone[0]), status):
            raise _refused(run_dir, why, hint="--from {}".format(undone[0]))
    if wish.checkpoint is None:
        return Beginning(index)
    return Beginning(index, _checked_checkpoint(run_dir, job, index, status, wish.checkpoint))


def _is_complete(run_dir: Path, job: Json, index: int, status: Json) -> bool:
    """Whether a training has a checkpoint of its last iteration, and all it must leave: what follows can be done."""
    from .stage import missing_of  # here, not above: it brings the whole supervisor, and each laptop's channel loads us

    stage = job["stages"][index]
    spec, iters = stage.get("checkpoints"), iters_of(stage, status)
    if not spec or iters is None or missing_of(run_dir, stage.get("must_leave") or []):
        return False
    if spec.get("best") and defect_of(run_dir / spec["best"]) is not None:
        return False
    return any(one.iteration >= iters for one in complete_checkpoints(run_dir, spec))


def _checked_checkpoint(run_dir: Path, job: Json, index: int, status: Json, given: str) -> Checkpoint:
    stage = job["stages"][index]
    spec = stage.get("checkpoints")
    if not spec:
        able = [one["name"] for one in job["stages"] if one.get("checkpoints")]
        hint = "--from {}".format(able[0]) if able else "no stage of this job says where its `checkpoints` are"
        raise _refused(run_dir, "{} does not go on from checkpoints".format(stage["name"]), hint=hint)
    place = run_dir / os.path.dirname(spec["path"])
    folder = Path(os.path.normpath(str((run_dir if "/" in given else place) / os.path.expanduser(given))))
    others = ", ".join(one.name for one in complete_checkpoints(run_dir, spec)) or "none"
    hint = "complete checkpoints: " + others
    if spec.get("best") and folder == run_dir / spec["best"]:
        why = "{} cannot be gone on from: it is the weights alone, without the optimizer's state".format(folder.name)
        raise _refused(run_dir, why, hint=hint)
    if not folder.is_dir():
        raise _refused(run_dir, "there is no checkpoint {}".format(given), hint=hint)
    defect = defect_of(folder, spec["files"])
    if defect is not None:
        raise _refused(run_dir, "{} is not complete: {}".format(folder.name, defect), hint=hint)
    iteration = iteration_of(folder.name)
    if iteration is None:
        why = "the name {} does not end with _ and the iteration".format(folder.name)
        raise _refused(run_dir, why, hint="PaddleSeg reads the iteration from there")
    chosen = Checkpoint(folder, iteration, 0.0)
    iters = iters_of(stage, status)
    if iters is not None and choose([chosen], iters, None) is None:
        raise _refused(run_dir, complete_words(job, index, chosen, iters), hint=hint)
    return chosen


def _check_state(found: Json) -> None:
    if found["state"] in _FROM:
        return
    if found["state"] == states.SUCCEEDED:
        raise OpError("refused", "it has succeeded: there is nothing to go on with", run_id=found["run_id"])
    hint = "jobctl cancel {} ends it".format(found["run_id"])
    raise OpError("refused", "it is alive ({})".format(found["state"]), run_id=found["run_id"], hint=hint)


def _check_cards(run_dir: Path, job: Json, cards: List[int]) -> None:
    if job.get("device") != "npu":
        raise _refused(run_dir, "a job with `device: cpu` holds no cards", hint="leave --cards out")
    if len(cards) != int(job["cards"]) or len(set(cards)) != len(cards):
        why = "it began with {} cards, and --cards names {}".format(job["cards"], len(set(cards)))
        hint = "a checkpoint does not fit another number of cards (SyncBN; PaddleSeg issues 1694, 3236)"
        raise _refused(run_dir, why, hint=hint)


def _check_secrets(run_dir: Path, job: Json, secrets: Dict[str, str]) -> None:
    kept = read_json(run_dir / "secrets.json") or {}
    missing = [name for name in job.get("secrets") or [] if name not in secrets and name not in kept]
    if missing:
        raise _refused(run_dir, "the secret {} was not sent along".format(missing[0]), hint="export it, and resume")
    secrets.update({name: value for name, value in kept.items() if name not in secrets})


def _status_under_lock(run_dir: Path, job: Json) -> Json:
    """status.json; LOST where it is not final, for nobody else can hold the lock. A damaged one begins anew."""
    found = read_json(run_dir / "status.json")
    if found is None or not states.is_status(found) or len(found["stages"]) != len(job["stages"]):
        found = states.first_status(job, states.QUEUED)
    if found["state"] not in states.FINAL:
        found["state"] = states.LOST
    found["run_id"] = run_dir.name
    return found


def _first_open(status: Json) -> int:
    unfinished = [at for at, stage in enumerate(status["stages"]) if stage["state"] != states.SUCCEEDED]
    return unfinished[0] if unfinished else len(status["stages"])


def _attempts_in_logs(run_dir: Path, stage: str) -> int:
    """A status that was lost with its counts must not lead to a log directory that is in use already."""
    found = [re.match(re.escape(stage) + r"-([0-9]+)\Z", name) for name in _names(run_dir / "log")]
    return max([int(one.group(1)) for one in found if one is not None] or [0])


def _names(folder: Path) -> List[str]:
    try:
        return os.listdir(str(folder))
    except OSError:
        return []


def _job_of(run_dir: Path) -> Json:
    job = control.read_job(run_dir)
    if job is None:
        raise _refused(run_dir, "its job.json is damaged", hint="submit it again")
    return job


def _refused(run_dir: Path, why: str, **more: Any) -> OpError:
    return OpError("refused", why, run_id=run_dir.name, **more)
