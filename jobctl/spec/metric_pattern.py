"""How the lines of a trainer become metrics: regular expressions whose named groups are the names of the metrics."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from jobctl.spec.fields import Misfit, Part, Regex

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OURS = ("kind", "at", "attempt", "not_finite", "name", "values")
"""Fields of a line of metrics.jsonl that are no metrics."""


def _check_groups(pattern: str) -> str:
    groups = list(re.compile(pattern).groupindex)
    if not groups:
        raise Misfit("has no named group, so it finds no metric", hint=r"such as 'loss=(?P<loss>\S+)'")
    for name in groups:
        if not _NAME.fullmatch(name):
            raise Misfit(f"the group {name!r} is no name for a metric: 1 to 40 of a-z, 0-9 and '_', a letter first")
        if name in _OURS:
            raise Misfit(f"the group {name!r} has a name that means something else", hint="add what it measures")
    return pattern


class MetricPattern(Part):
    """One kind of line. The first pattern that is found in a line counts."""

    kind: Literal["train", "eval", "best"] = Field(
        description="What such a line tells: how the training goes, an evaluation, or the best model so far."
    )
    pattern: Annotated[Regex, AfterValidator(_check_groups)] = Field(
        description="Regular expression. Each named group is a metric: iter, iters, epoch, loss, lr, ips, "
        "batch_cost_s, reader_cost_s, eta (h:mm:ss), miou, acc, or a name of your own."
    )

    @model_validator(mode="after")
    def _check(self) -> MetricPattern:
        if self.kind == "train" and "iter" not in re.compile(self.pattern).groupindex:
            hint = r"such as 'step (?P<iter>\d+)/(?P<iters>\d+) loss=(?P<loss>\S+)'"
            raise Misfit("a pattern of kind 'train' needs the group 'iter'", at=("pattern",), hint=hint)
        return self
