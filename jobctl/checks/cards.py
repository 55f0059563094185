"""Checks of the cards: their device files and rights, their health, and whether enough are free. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jobctl.checks.model import Facts, Finding, Wanted, ok, unknown

MANAGERS = ("davinci_manager", "devmm_svm", "hisi_hdc")
GROUP = "HwHiAiUser"
"""The driver's own user and group, unless the installer was told otherwise."""
GOOD = ("OK",)
BAD = ("Alarm", "Critical", "UNKNOWN", "Offline")


def devices(facts: Facts, wanted: Wanted) -> Finding:
    """The device files that a process needs, and whether the login may use them."""
    found: Mapping[str, Mapping[str, Any]] = facts["devices"]
    numbered = [name for name in found if re.fullmatch(r"davinci\d+", name)]
    missing = [name for name in MANAGERS if name not in found] + ([] if numbered else ["davinci0"])
    if missing:
        told = f"not there: {', '.join('/dev/' + name for name in missing)}"
        if facts["machine"].get("in_container"):
            options = " ".join(f"--device /dev/{name}" for name in missing)
            return Finding("failed", told, "in this container", f"docker run {options} ...")
        return Finding("failed", told, "what the driver makes when it is loaded", "sudo reboot")
    closed = [name for name, row in found.items() if not row["usable"]]
    if closed:
        return _not_allowed(closed, found, facts)
    return ok(f"{len(numbered)} cards and {', '.join(MANAGERS)} can be used by {facts['user']['name']}")


def _not_allowed(closed: Sequence[str], found: Mapping[str, Mapping[str, Any]], facts: Facts) -> Finding:
    user = str(facts["user"]["name"] or facts["user"]["uid"])
    rows = [f"/dev/{name} ({found[name]['owner']}:{found[name]['group']} {found[name]['mode']})" for name in closed]
    told = f"{user} may not use {', '.join(rows[:3])}" + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")
    groups = {str(found[name]["group"]) for name in closed}
    by_group = all(int(str(found[name]["mode"]), 8) & 0o060 == 0o060 for name in closed)
    if by_group and len(groups) == 1 and groups.isdisjoint({"root", *facts["user"]["groups"]}):
        group = groups.pop()
        told_group = f"to be in the group {group}; it counts from the next login on"
        return Finding("failed", told, told_group, f"sudo usermod -aG {shlex.quote(group)} {shlex.quote(user)}")
    paths = " ".join(shlex.quote(f"/dev/{name}") for name in closed)
    remedy = f"sudo chgrp {GROUP} {paths} && sudo chmod 660 {paths} && sudo usermod -aG {GROUP} {shlex.quote(user)}"
    return Finding("failed", told, f"mode 660, group {GROUP}, and to be in it", remedy)


def health(facts: Facts, wanted: Wanted) -> Finding:
    """What npu-smi says of each card."""
    found = facts["cards"]
    ids = found["ids"]
    if not ids:
        said = found["error"] or ("npu-smi is not there" if not found["npu_smi"] else "npu-smi shows no card")
        remedy = "npu-smi info" if found["npu_smi"] else "ls -l /dev/davinci* /usr/local/bin/npu-smi"
        return Finding("failed", f"no card is known: {said}", "cards that npu-smi shows", remedy)
    if wanted.cards > len(ids):
        return Finding("failed", f"{len(ids)} cards", f"{wanted.cards} for this config", _fewer(wanted, len(ids)), True)
    if found["error"] or not found["health"]:
        return unknown(f"{len(ids)} cards; their health is not known: {found['error'] or 'there is no npu-smi'}")
    bad = {card: word for card, word in found["health"].items() if word in BAD}
    odd = {card: word for card, word in found["health"].items() if word not in (*GOOD, *BAD)}
    told = "; ".join(f"card {card}: {word}" for card, word in {**bad, **odd}.items())
    remedy = f"npu-smi info -t health -i {shlex.quote(str(next(iter({**bad, **odd}), 0)))}"
    good = len(ids) - len(bad)
    if bad and good < max(wanted.cards, 1):
        return Finding("failed", told, f"{max(wanted.cards, 1)} healthy cards", remedy)
    if bad or odd:
        return Finding("warning", told, "OK", remedy)
    return ok(f"{len(ids)} cards, all OK" + (f"; {found['warnings'][0]}" if found["warnings"] else ""))


def _fewer(wanted: Wanted, number: int) -> str:
    return wanted.command("plan", wanted.config_word, "--host", wanted.host, "--set", f"cards={number}")


def free(facts: Facts, wanted: Wanted) -> Finding:
    """Cards that nobody holds and nobody's process is on."""
    found = facts["cards"]
    ids = found["ids"]
    if not ids:
        return unknown("no card is known")
    held = {int(card): run for card, run in found["held"].items()}
    busy: dict[int, int] = {}
    for card, pid in found["processes"] or []:
        busy.setdefault(card, pid)
    taken = [
        f"{card} by {held[card]}" if card in held else f"{card} by process {busy[card]}"
        for card in ids
        if card in held or card in busy
    ]
    left = len(ids) - len(taken)
    told = f"{left} of {len(ids)} free" + (f"; taken: {', '.join(taken)}" if taken else "")
    need = wanted.cards or 1
    if left < need:
        run = next(iter(held.values()), None)
        remedy = f"jobctl cancel {shlex.quote(run)}" if run and run != "another run" else "jobctl ps"
        return Finding("warning", told, f"{need} free: a submit waits until they are", remedy, True)
    if found["processes"] is None:
        return unknown(f"{told} of those that jobctl knows; npu-smi shows no table of processes")
    return ok(told)
