"""`make chaos`: does every fault of the table and prints the table with what came of it."""

from __future__ import annotations

import sys

import pytest

from tests.chaos.faults import ROWS, table


class Results:
    """A pytest plugin that keeps the result of each test by its node id."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.found[report.nodeid] = "FAILED"
        elif report.skipped:
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self.found[report.nodeid] = why.replace("Skipped: ", "skipped: ").replace("|", "/")
        elif report.when == "call":
            self.found[report.nodeid] = "sound"


def main() -> int:
    results = Results()
    tests = list(dict.fromkeys(row.test for row in ROWS))
    code = pytest.main(["-q", "--no-header", *sys.argv[1:], *tests], plugins=[results])
    print("\n" + table(results.found))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
