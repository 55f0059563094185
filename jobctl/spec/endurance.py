"""What lets a job outlive trouble: its checkpoints, when it is tried again, when it counts as hung."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from jobctl.spec.fields import Argument, Filled, Misfit, Part, PathBelow

CHECKPOINT_WORD = "{checkpoint}"
"""Stands in `resume` for the folder of the checkpoint to go on from."""


class Retry(Part):
    """When a run goes on by itself. Failures that would repeat (bad config, missing data) are never retried."""

    attempts: Annotated[int, Strict()] = Field(
        3, ge=1, le=1000, description="How often a stage is tried in all, the first time included."
    )
    on: tuple[Literal["crash", "hang", "lost", "preempted"], ...] = Field(
        ("crash", "hang", "lost", "preempted"),
        min_length=1,
        description="After what: a process died; nothing was logged for too long; the supervisor was killed; "
        "somebody other than you ended it.",
    )
    backoff_s: Annotated[float, Strict()] = Field(
        30, ge=0, le=86400, description="Seconds before the second attempt; twice as long before each further one."
    )


class Checkpoints(Part):
    """How a stage's checkpoints look, and how it goes on from one."""

    path: PathBelow = Field(
        description="Glob of the checkpoints' folders, relative to the run directory, such as output/x/iter_*. "
        "The number after the last '_' is the iteration."
    )
    files: tuple[Filled, ...] = Field(
        ("model.pdparams", "model.pdopt"),
        min_length=1,
        description="Files that a complete checkpoint has. Pickles and zip archives are read to their end.",
    )
    resume: tuple[Argument, ...] = Field(
        ("--resume_model", CHECKPOINT_WORD),
        min_length=1,
        description="Arguments added to the stage's last step to go on; {checkpoint} is the folder's absolute path.",
    )
    best: PathBelow | None = Field(
        None,
        description="Folder of the best model so far. It is kept when a resumed training overwrites it by a worse.",
    )
    keep: Annotated[int, Strict()] | None = Field(
        None, ge=1, description="How many complete checkpoints are kept, over all attempts. Default: all."
    )

    @model_validator(mode="after")
    def _check(self) -> Checkpoints:
        if not any(CHECKPOINT_WORD in word for word in self.resume):
            raise Misfit(f"nothing in it says {CHECKPOINT_WORD}, the folder to go on from", at=("resume",))
        for index, name in enumerate(self.files):
            if "/" in name or name in (".", ".."):
                raise Misfit("must be a file in the checkpoint's folder", at=("files", index))
        return self
