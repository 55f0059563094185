"""All checks, by name and in order, and how they are made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jobctl.checks import ascend, cards, container, host, login, network
from jobctl.checks.model import Check, Checker, Facts, Finding, NotKnown, Wanted, skipped

CHECKS: Mapping[str, Checker] = MappingProxyType(
    {
        "python": host.python,
        "venv": host.venv,
        "disk": host.disk,
        "inodes": host.inodes,
        "clock": host.clock,
        "home": login.home,
        "tmp": login.tmp,
        "locale": login.locale,
        "shared_memory": login.shared_memory,
        "open_files": login.open_files,
        "processes": login.processes,
        "locked_memory": login.locked_memory,
        "lease_dir": login.lease_dir,
        "ports": login.ports,
        "crontab": login.crontab,
        "architecture": container.architecture,
        "container": container.engine,
        "image": container.image,
        "mounts": container.mounts,
        "driver": ascend.driver,
        "firmware": ascend.firmware,
        "cann": ascend.cann,
        "versions": ascend.pairing,
        "set_env": ascend.set_env,
        "devices": cards.devices,
        "cards": cards.health,
        "free_cards": cards.free,
        "card_network": network.card_network,
        "pip_index": network.pip_index,
        "git_remote": network.git_remote,
        "downloads": network.downloads,
        "peers": network.peers,
    }
)
"""Name -> what makes it. Before them comes `ssh`, which whoever connects makes (`jobctl.checks.connection`)."""

FOR_CARDS = frozenset(
    "driver firmware cann versions set_env devices cards free_cards card_network locked_memory".split()
)
"""These do not apply where the job runs on CPUs, or no job is named and nothing of Ascend is seen."""


def make_checks(facts: Facts, wanted: Wanted) -> list[Check]:
    """What is to be said of a host that answered."""
    return [_named(name, _made(name, checker, facts, wanted)) for name, checker in CHECKS.items()]


def not_reached(but: str = "") -> list[Check]:
    """The same checks of a host that did not answer; without the one of which more is known."""
    return [Check(name, "skipped", "the host was not asked") for name in CHECKS if name != but]


def _made(name: str, checker: Checker, facts: Facts, wanted: Wanted) -> Finding:
    try:
        return _without_cards(name, facts, wanted) or checker(facts, wanted)
    except NotKnown as why:
        return Finding("unknown", str(why))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # Facts are what another machine says: an older host program, a damaged one, or not one of ours.
        return Finding("unknown", f"the host says something that is not understood ({type(error).__name__}: {error})")


def _without_cards(name: str, facts: Facts, wanted: Wanted) -> Finding | None:
    """Why a check of the cards does not apply, and None where it does."""
    if name not in FOR_CARDS or wanted.device == "npu":
        return None
    if wanted.device == "cpu":
        return skipped("the job runs on CPUs")
    if facts.has_ascend:
        return None
    told = "no driver, no npu-smi, no /dev/davinci*"
    return (
        Finding("warning", told, "cards, unless only jobs with device: cpu run here")
        if name == "cards"
        else skipped(told)
    )


def _named(name: str, finding: Finding) -> Check:
    return Check(name, finding.verdict, finding.found, finding.wanted, finding.remedy, finding.here)
