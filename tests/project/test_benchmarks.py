"""The benchmarks themselves: what they are asked for they measure, and what misses its goal is called so."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.goals import Goal, judge
from benchmarks.table import Row

GOAL = Goal("a group", "jobctl", "rsync|scp", 1 / 2)


def test_a_goal_that_is_missed_is_called_missed() -> None:
    rows = [Row(what, ms, 1.0, group="a group of rows") for what, ms in (("rsync", 100), ("scp", 40), ("jobctl x", 50))]
    met, missed = judge([*rows, Row("rsync", 1, 1.0, group="a group of other rows")], [GOAL])
    assert str(met) == "met     a group of rows: jobctl is 2.0x faster than rsync; goal: 2x faster"
    assert str(missed) == "MISSED  a group of rows: jobctl is 1.25x the time of scp; goal: 2x faster"


def test_one_case_is_measured_alone_and_judged() -> None:
    argv = [sys.executable, "-m", "benchmarks", "--only", "startup", "--turns", "1"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "python -c pass" in said
    assert "jobctl ps is" in said
    assert "hosts" not in said
