"""`make bench`: everything there is to measure, one table. Not a test: nothing passes or fails by it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import log_latency, startup, submit, supervisor
from benchmarks.table import show


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--turns", type=int, default=9, help="how often each is timed (default: %(default)s)")
    turns = parser.parse_args().turns

    print("measuring start-up ...", file=sys.stderr)
    rows = startup.measure(turns)
    print("measuring submit (a real OpenSSH server on 127.0.0.1) ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="jobctl-bench-") as folder:
        rows += submit.measure(turns, Path(folder))
    files = f"{submit.CODE_FILES} code files, {submit.DATA_FILES} pictures"
    print("measuring how late log lines are ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="jobctl-bench-") as folder:
        rows += log_latency.measure(log_latency.LINES, Path(folder))
    show(rows, f"medians of {turns} turns; ratios to the first row of a group; {files}")
    print("measuring the supervisor ...", file=sys.stderr)
    supervisor.main()


if __name__ == "__main__":
    main()
