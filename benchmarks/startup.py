"""How long a command takes that has nothing to do: the imports, mostly."""

from __future__ import annotations

import sys
import tempfile

from benchmarks.measure import JOBCTL, in_turns, median_ms, run
from benchmarks.table import Row

BASE = "python -c pass"


def measure(turns: int) -> list[Row]:
    """`jobctl --help` and `jobctl ps` without a run, against the interpreter alone."""
    with tempfile.TemporaryDirectory() as home:
        rivals = {
            BASE: lambda: run([sys.executable, "-c", "pass"]),
            "jobctl --help": lambda: run([JOBCTL, "--help"], JOBCTL_HOME=home),
            "jobctl ps, no runs": lambda: run([JOBCTL, "ps"], JOBCTL_HOME=home),
        }
        seconds = in_turns(rivals, turns)
    base = median_ms(seconds[BASE])
    return [Row(name, median_ms(values), median_ms(values) / base) for name, values in seconds.items()]
