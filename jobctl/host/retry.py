"""May what has failed be tried again, and when. Pure."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .files import Json

_CLASS = {
    "crash": "crash",
    "killed": "crash",
    "oom": "crash",
    "start": "crash",
    "unknown": "crash",
    "hang": "hang",
    "lost": "lost",
    "preempted": "preempted",
}
"""Kind of a verdict -> the word of `retry.on` that covers it. What is not here would be the same again."""

_SAME_AGAIN = ("crash", "start", "unknown")
_LONGEST_S = 86400.0


class Failure(NamedTuple):
    """How a try ended. `iteration`: the highest that the training has ever reached."""

    kind: str
    line: Optional[str]
    iteration: int


def class_of(kind: str) -> Optional[str]:
    """The word of `retry.on` that covers a verdict's kind; None for what is never tried again."""
    return _CLASS.get(kind)


def delay_s(policy: Json, tries: int) -> float:
    """Seconds to wait after so many tries: doubles each time."""
    return min(float(policy["backoff_s"]) * 2.0 ** min(max(tries - 1, 0), 60), _LONGEST_S)


def why_not(policy: Optional[Json], tries: int, last: Failure, before: Optional[Failure]) -> Optional[str]:
    """Why a stage that was tried so many times is not tried again, in a few words; "" without a policy, None: it is.

    `before` is how the try before the last one ended.
    """
    if not policy:
        return ""
    covered = class_of(last.kind)
    if covered is None:
        return "not tried again: it would be the same"
    if covered not in policy["on"]:
        return "not tried again: retry.on does not name {}".format(covered)
    if tries >= int(policy["attempts"]):
        return "not tried again: {} tries of {}".format(tries, policy["attempts"])
    if before is not None and last.kind in _SAME_AGAIN and last.line and last.line == before.line:
        if last.iteration <= before.iteration:
            return "not tried again: it failed with the same line twice and came no further"
    return None
