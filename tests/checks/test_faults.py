"""Every fault is made on a real host of the test's own, told by its check, and gone once the remedy was carried out."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from tests.checks.conftest import Look, checks_of, load_cases
from tests.checks.house import House

pytestmark = pytest.mark.root
FAULTS = load_cases("faults.yaml")
QUIET = {"install": [["--no-index"]]}
"""Else every look would ask pip for its index."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_and_its_remedy_helps(name: str, fit_house: House, look: Look) -> None:
    fault = FAULTS[name]
    fit_house.mend()
    values = {**QUIET, **fault.get("values", {})}
    if "breaks" in fault:
        fit_house.as_root(_placed(fault["breaks"], fit_house))
    check = checks_of(look(**values))[fault["check"]]
    assert check.verdict == fault.get("verdict", "failed"), check
    assert re.search(fault["found"], check.found, re.DOTALL), check
    assert fault.get("wanted", "") in check.wanted
    _carry_out(check, fault, fit_house)
    again = checks_of(look(**{**values, **fault.get("mended_by", {})}))[fault["check"]]
    assert again.verdict == "ok", again


def _placed(lines: str, house: House) -> str:
    assert house.sshd is not None
    names = {"$HOME": house.sshd.home, "$LEASES": house.lease_dir, "$BASE": house.base}
    for name, path in names.items():
        lines = lines.replace(name, str(path))
    return lines


def _carry_out(check: Any, fault: dict[str, Any], house: House) -> None:
    assert bool(check.remedy) != bool(fault.get("no_remedy")), check
    if "here" in fault:
        assert check.remedy_is_here
        assert re.search(fault["here"], check.remedy)
    elif check.remedy and not (fault.get("not_in_a_container") and os.path.exists("/.dockerenv")):
        assert not check.remedy_is_here
        done = house.as_user(check.remedy)
        assert (done.returncode == 0) != bool(fault.get("remedy_fails")), done
        assert fault.get("says", "") in done.stdout + done.stderr
    if "then" in fault:
        done = house.as_user(fault["then"])
        assert done.returncode == 0, done
