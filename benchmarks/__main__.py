"""`make bench`: everything there is to measure, one table, and the goals. Not a test: nothing passes or fails by it.

Each group of rows comes from one run, in which the rivals take turns. `--only NAME` measures one case, or several.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import files, finished, log_latency, many, relay, startup, submit, supervisor, sync
from benchmarks.goals import judge
from benchmarks.table import Row, show

CASES: Mapping[str, Callable[[int, Path], list[Row]]] = {
    "startup": lambda turns, _: startup.measure(turns),
    "submit": submit.measure,
    "finished": finished.measure,
    "sync": sync.measure,
    "many": many.measure,
    "loopback": lambda turns, folder: files.measure(files.LOOPBACK, few(turns), folder),
    "far": lambda turns, folder: files.measure(files.FAR, few(turns), folder),
    "slow": lambda turns, folder: files.measure(files.SLOW, few(turns), folder),
    "log_latency": lambda _, folder: log_latency.measure(log_latency.LINES, folder),
    "relay": lambda turns, folder: relay.measure(few(turns), folder),
}
"""Name -> what measures it, given how often and an empty folder."""


def few(turns: int) -> int:
    """For what takes long: its spread is small."""
    return max(1, turns // 3)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--turns", type=int, default=9, help="how often each is timed (default: %(default)s)")
    names = [*CASES, "supervisor"]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    arguments = parser.parse_args()
    wanted = arguments.only or names
    rows: list[Row] = []
    for name, measure in CASES.items():
        if name in wanted:
            print(f"measuring {name} ...", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="jobctl-bench-") as folder:
                rows += measure(arguments.turns, Path(folder))
    if rows:
        often = f"{arguments.turns} turns, {few(arguments.turns)} of what takes long"
        show(rows, f"medians of {often}; ratios to the first row of a group")
        print(*judge(rows), sep="\n")
    if "supervisor" in wanted:
        print("measuring the supervisor ...", file=sys.stderr)
        supervisor.main()


if __name__ == "__main__":
    main()
