"""All checks, by name and in order, and how they are made. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from jobctl.checks import host
from jobctl.checks.model import Check, Checker, Facts, Finding, NotKnown, Wanted

CONNECT = "ssh"
"""The first check; made by whoever connects."""

CHECKS: Mapping[str, Checker] = {
    "python": host.python,
    "venv": host.venv,
    "disk": host.disk,
    "inodes": host.inodes,
    "clock": host.clock,
}


def make_checks(facts: Facts, wanted: Wanted) -> list[Check]:
    """What is to be said of a host that answered."""
    return [_named(name, _made(checker, facts, wanted)) for name, checker in CHECKS.items()]


def not_reached() -> list[Check]:
    """The same checks of a host that did not answer."""
    return [Check(name, "skipped", "the host was not reached") for name in CHECKS]


def _made(checker: Checker, facts: Facts, wanted: Wanted) -> Finding:
    try:
        return checker(facts, wanted)
    except NotKnown as why:
        return Finding("unknown", str(why))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # Facts are what another machine says: an older host program, a damaged one, or not one of ours.
        return Finding("unknown", f"the host says something that is not understood ({type(error).__name__}: {error})")


def _named(name: str, finding: Finding) -> Check:
    return Check(name, finding.verdict, finding.found, finding.wanted, finding.remedy, finding.here)
