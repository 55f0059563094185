"""A log of 100 MB, as PaddleSeg would print it: how long its report takes to make, and to open in a headless Chromium.

python -m benchmarks.report_open [MEGABYTES]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from jobctl.monitor.page import make_report
from jobctl.monitor.verdict_words import sentence
from tests.monitor import runs
from tests.monitor.browser import opened, running_browser


def main() -> None:
    """Measures and prints."""
    wanted = (float(sys.argv[1]) if len(sys.argv) > 1 else 100.0) * 1e6
    line_bytes = sum(len(line) + 1 for line in runs.long_log(1000)) / 1000
    iters = int(wanted / line_bytes)
    data = runs.metrics_of(runs.long_log(iters))
    begun = time.perf_counter()
    run = runs.evidence("long-20261123-0001", "RUNNING", data)
    read_s = time.perf_counter() - begun
    begun = time.perf_counter()
    page = make_report([run], runs.BEGAN, sentence)
    made_s = time.perf_counter() - begun
    print(f"a log of {wanted / 1e6:.0f} MB, {iters:,} iterations, {len(data) / 1e6:.0f} MB of metrics")
    print(f"  metrics read in {read_s:.1f} s, report of {len(page) / 1e6:.2f} MB made in {made_s:.1f} s")
    with tempfile.TemporaryDirectory(prefix="jobctl-bench-") as folder, running_browser() as browser:
        file = Path(folder) / "report.html"
        file.write_text(page, encoding="utf-8")
        opening = []
        for _ in range(5):
            begun = time.perf_counter()
            with opened(browser, file) as (_, wrong):
                opening.append(time.perf_counter() - begun)
            assert wrong == []
    print(f"  opened, all curves drawn, in {sorted(opening)[2]:.2f} s (median of 5; longest {max(opening):.2f} s)")


if __name__ == "__main__":
    main()
