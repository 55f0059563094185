"""A stage that is tried again goes on from a checkpoint, and its best model outlives that."""

from __future__ import annotations

from typing import Optional

from .best_model import keep_best, settle_best
from .catch_up import missed_records
from .checkpoints import Checkpoint, choose, complete_checkpoints
from .files import Json
from .step import Run

CHECKPOINT_WORD = "{checkpoint}"


class Complete(Exception):
    """There is nothing to go on with: the only checkpoints are those of the last iteration."""


def with_checkpoint(run: Run, index: int, attempt: int) -> Json:
    """The stage as attempt `attempt` runs it: from the second on with the arguments to go on. Raises Complete."""
    stage: Json = run.job["stages"][index]
    spec = stage.get("checkpoints")
    if not spec:
        return stage
    for record in missed_records(run.run_dir, stage["name"], attempt - 1):
        run.journal.record(dict(record, attempt=attempt - 1))
    put_best_back(run, stage)  # a supervisor that was killed had no time for it
    if attempt == 1:
        return stage
    told = run.journal.status["stages"][index]
    iters = iters_of(stage, run.journal.status)
    found = complete_checkpoints(run.run_dir, spec)
    chosen = choose(found, iters, told.get("checkpoint_wanted"))
    if chosen is None and found and iters is not None and all(one.iteration >= iters for one in found):
        raise Complete(complete_words(run.job, index, found[0], iters))
    _keep_best(run, stage, attempt)
    name = chosen.name if chosen else None
    run.journal.change_stage(index, resumed_from=name)
    run.journal.event("stage_goes_on", stage=stage["name"], attempt=attempt, checkpoint=name)
    return with_arguments(stage, chosen) if chosen else stage


def with_arguments(stage: Json, checkpoint: Checkpoint) -> Json:
    """The stage with its `resume` arguments at the end of its last step."""
    more = [word.replace(CHECKPOINT_WORD, str(checkpoint.path)) for word in stage["checkpoints"]["resume"]]
    last = dict(stage["steps"][-1], argv=list(stage["steps"][-1]["argv"]) + more)
    return dict(stage, steps=list(stage["steps"][:-1]) + [last])


def iters_of(stage: Json, status: Json) -> Optional[int]:
    """The iterations of the whole training: from its arguments, or as it told them; None when nobody said."""
    argv = stage["steps"][-1]["argv"]
    for at, word in enumerate(argv):
        value = argv[at + 1] if word == "--iters" and at + 1 < len(argv) else ""
        value = word[len("--iters=") :] if word.startswith("--iters=") else value
        if value.isdigit():
            return int(value)
    told = (status.get("progress") or {}).get("iters")
    return int(told) if isinstance(told, (int, float)) and told > 0 else None


def complete_words(job: Json, index: int, checkpoint: Checkpoint, iters: int) -> str:
    """What to do when a training needs no more."""
    later = [stage["name"] for stage in job["stages"][index + 1 :]]
    hint = "; go on behind it: jobctl resume {} --from {}".format(job["run_id"], later[0]) if later else ""
    return "{} is at iteration {} of {}: that training is complete{}".format(
        checkpoint.name, checkpoint.iteration, iters, hint
    )


def put_best_back(run: Run, stage: Json) -> None:
    """The better of two best models stands at its place. What cannot be done now is done before the next attempt."""
    if not (stage.get("checkpoints") or {}).get("best"):
        return
    try:
        restored = settle_best(run.run_dir, stage["name"])
    except OSError as error:
        run.journal.event("best_model_not_put_back", stage=stage["name"], reason=str(error))
        return
    if restored is not None:
        run.journal.event("best_model_put_back", stage=stage["name"], **restored)


def _keep_best(run: Run, stage: Json, attempt: int) -> None:
    place = stage["checkpoints"].get("best")
    if not place:
        return
    try:
        keep_best(run.run_dir, place, stage["name"], attempt)
    except OSError as error:  # a full disk: the training may well go on
        run.journal.event("best_model_not_kept", stage=stage["name"], reason=str(error))
