"""The table of faults stands in the documentation, and each row names a test that is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.chaos.faults import ROWS, table

ROOT = Path(__file__).parents[2]


def test_the_rows_in_the_documentation_are_those_of_the_suite() -> None:
    page = (ROOT / "docs" / "chaos.md").read_text(encoding="utf-8")
    assert table() in page, "put the table of `make chaos` into docs/chaos.md, without its last column"


def test_every_row_names_a_test_that_is_there() -> None:
    files = sorted({row.test.partition("::")[0] for row in ROWS})
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [row.test for row in ROWS if row.test not in listed] == []


def test_every_test_of_the_suite_is_in_a_row() -> None:
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/chaos"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    named = {row.test for row in ROWS}
    ours = [line for line in listed if line.startswith("tests/chaos/") and "/test_table.py" not in line]
    assert [test for test in ours if test not in named] == []
