"""When a stage that failed is tried again, and after how long."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.host.retry import Failure, class_of, delay_s, why_not
from jobctl.host.verdict import REPEATING

POLICY: dict[str, Any] = {"attempts": 3, "on": ["crash", "hang", "lost", "preempted"], "backoff_s": 30}
CRASH = Failure("crash", "RuntimeError: x", 10)

CASES: dict[str, tuple[dict[str, Any] | None, int, Failure, Failure | None, str | None]] = {
    "no policy": (None, 1, CRASH, None, ""),
    "a crash": (POLICY, 1, CRASH, None, None),
    "the last try": (POLICY, 3, CRASH, None, "not tried again: 3 tries of 3"),
    "a bad config": (POLICY, 1, Failure("config", "x", 0), None, "not tried again: it would be the same"),
    "a kind from the future": (POLICY, 1, Failure("gremlins", "x", 0), None, "not tried again: it would be the same"),
    "a kind that is left out": (
        {**POLICY, "on": ["lost"]},
        1,
        Failure("oom", "x", 0),
        None,
        "not tried again: retry.on does not name crash",
    ),
    "the same line, no further": (
        POLICY,
        2,
        CRASH,
        CRASH,
        "not tried again: it failed with the same line twice and came no further",
    ),
    "the same line, further on": (POLICY, 2, CRASH._replace(iteration=11), CRASH, None),
    "another line at the same place": (POLICY, 2, CRASH._replace(line="other"), CRASH, None),
    "killed twice from outside": (POLICY, 2, Failure("killed", "x", 1), Failure("killed", "x", 1), None),
}


@pytest.mark.parametrize("name", CASES)
def test_whether_it_is_tried_again(name: str) -> None:
    policy, tries, last, before, expected = CASES[name]
    assert why_not(policy, tries, last, before) == expected


def test_what_would_repeat_is_covered_by_no_word() -> None:
    assert [kind for kind in REPEATING if class_of(kind) is not None] == []


def test_the_wait_doubles_and_has_an_end() -> None:
    assert [delay_s(POLICY, tries) for tries in (1, 2, 3, 4)] == [30, 60, 120, 240]
    assert delay_s(POLICY, 5000) == 86400
    assert delay_s({**POLICY, "backoff_s": 0}, 5000) == 0
