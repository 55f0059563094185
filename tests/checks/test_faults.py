"""Every fault is made on a real host of the test's own, told by its check, and gone once the remedy was carried out."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from itertools import zip_longest
from typing import Any

import pytest

from tests.checks.conftest import Look, checks_of, load_cases
from tests.checks.house import House

pytestmark = pytest.mark.root
QUIET = {"install": [["--no-index"]]}
"""Else every look would ask pip for its index."""


def _rounds() -> list[dict[str, Any]]:
    """Faults that are made together, by their names: one of each part of the host."""
    parts: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for name, fault in load_cases("faults.yaml").items():
        parts[fault.get("part", fault["check"])].append((name, fault))
    return [dict(filter(None, row)) for row in zip_longest(*parts.values())]


@pytest.mark.parametrize("faults", _rounds(), ids="; ".join)
def test_every_fault_is_told_and_its_remedy_helps(faults: dict[str, Any], fit_house: House, look: Look) -> None:
    fit_house.mend()
    values = {**QUIET}
    for fault in faults.values():
        values.update(fault.get("values", {}))
        if "breaks" in fault:
            fit_house.as_root(_placed(fault["breaks"], fit_house))
    checks = checks_of(look(**values))
    for name, fault in faults.items():
        _assert_told(name, fault, checks[fault["check"]])
    for fault in faults.values():
        _carry_out(checks[fault["check"]], fault, fit_house)
        values.update(fault.get("mended_by", {}))
    again = checks_of(look(**values))
    for name, fault in faults.items():
        assert again[fault["check"]].verdict == "ok", (name, again[fault["check"]])


def _assert_told(name: str, fault: dict[str, Any], check: Any) -> None:
    assert check.verdict == fault.get("verdict", "failed"), (name, check)
    assert re.search(fault["found"], check.found, re.DOTALL), (name, check)
    assert fault.get("wanted", "") in check.wanted, (name, check)
    assert bool(check.remedy) != bool(fault.get("no_remedy")), (name, check)


def _placed(lines: str, house: House) -> str:
    assert house.sshd is not None
    names = {"$HOME": house.sshd.home, "$LEASES": house.lease_dir, "$BASE": house.base}
    for name, path in names.items():
        lines = lines.replace(name, str(path))
    return lines


def _carry_out(check: Any, fault: dict[str, Any], house: House) -> None:
    """`not_in_a_container`: there the remedy is that of containers, which nobody can carry out from within."""
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
