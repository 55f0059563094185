"""The page on doctor and its checks keep together."""

from __future__ import annotations

import re

import pytest

from jobctl.checks.connection import NAME
from jobctl.checks.deep import DEEP_CHECKS
from jobctl.checks.run import CHECKS
from jobctl.checks.versions import OLDEST_DRIVER, PAIRS
from tests.docs.pages import ROOT, sections

SECTIONS = sections(ROOT / "docs" / "doctor.md")


def names_in(section: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", SECTIONS[section], re.MULTILINE)


def test_every_check_has_its_row_in_the_order_in_which_they_are_shown() -> None:
    assert names_in("The checks") == [NAME, *CHECKS]
    assert names_in("The deep check") == list(DEEP_CHECKS)


@pytest.mark.parametrize("cann", sorted({pair.cann for pair in PAIRS}))
def test_every_pair_of_versions_is_in_the_table(cann: str) -> None:
    rows = [row for row in SECTIONS["Versions that go together"].splitlines() if row.lower().startswith("|")]
    (row,) = [row for row in rows if cann in [one.strip() for one in row.split("|")[1].lower().split(",")]]
    drivers, _, unfit = row.split("|")[2].partition("**not**")
    listed = [one.strip(" ;") for one in drivers.split(",")]
    assert listed == [pair.driver for pair in PAIRS if pair.cann == cann and pair.fits]
    assert unfit.split() == [pair.driver for pair in PAIRS if pair.cann == cann and not pair.fits]


def test_the_driver_that_is_asked_for_is_told() -> None:
    assert OLDEST_DRIVER in SECTIONS["The checks"]
