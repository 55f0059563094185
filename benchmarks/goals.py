"""What is to be reached, and whether it was: each row of ours against a row of the same group, from the same run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.table import Row


@dataclass(frozen=True)
class Goal:
    """In groups that match: the row that begins with `ours` takes at most `at_most` times as long as each of the rows
    that match `rival`.
    """

    group: str
    ours: str
    rival: str
    at_most: float


GOALS = (
    Goal(r"code, (nothing|one file) changed", "jobctl", "rsync", 1 / 5),
    Goal(r"code, cold, 0 ms", "jobctl", "rsync", 1 / 1.5),
    Goal(r"code, cold, 50 ms", "jobctl", "rsync", 1 / 1.3),
    Goal(r"1 GiB, loopback", "jobctl", "scp", 1.15),
    Goal(r"256 MiB, 50 ms", "jobctl", "scp|rsync", 1 / 2),
    Goal(r"64 MiB, 50 ms", "jobctl", "scp|rsync", 1.0),
    Goal(r"dataset, cold", "jobctl", "rsync", 1.0),
    Goal(r"dataset, nothing changed", "jobctl", "rsync", 1 / 5),
    Goal(r"to 8 hosts", "jobctl send, 8 hosts", "8 direct uploads", 1 / 6),
    Goal(r"to 8 hosts", "jobctl send, 8 hosts", "jobctl send, one host", 1.25),
    Goal(r"64 hosts, warm", "jobctl", "fabric", 1 / 3),
    Goal(r"submit to finished", "jobctl", "rsync", 1 / 2),
    Goal(r"submit to finished", "jobctl", "a fabric script", 1 / 5),
    Goal(r"start-up", "jobctl --help", "python -c pass", 8.0),
    Goal(r"start-up", "jobctl ps", "python -c pass", 15.0),
)


@dataclass(frozen=True)
class Verdict:
    """`ratio`: ours to the rival's."""

    goal: Goal
    group: str
    rival: str
    ratio: float

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.goal.at_most

    def __str__(self) -> str:
        word = "met   " if self.is_met else "MISSED"
        return f"{word}  {self.group}: {self.goal.ours} is {_words(self.ratio)} {self.rival}; {_wanted(self.goal)}"


def judge(rows: Iterable[Row], goals: Iterable[Goal] = GOALS) -> list[Verdict]:
    """The goals that something was measured for."""
    measured = list(rows)
    return [
        Verdict(goal, ours.group, rival.what, ours.median_ms / rival.median_ms)
        for ours in measured
        for goal in goals
        if re.search(goal.group, ours.group) and ours.what.startswith(goal.ours)
        for rival in measured
        if rival.group == ours.group and re.match(goal.rival, rival.what)
    ]


def _words(ratio: float) -> str:
    return f"{1 / ratio:.1f}x faster than" if ratio <= 0.95 else f"{ratio:.2f}x the time of"


def _wanted(goal: Goal) -> str:
    return f"goal: {1 / goal.at_most:.3g}x faster" if goal.at_most < 1 else f"goal: {goal.at_most:.3g}x at most"
