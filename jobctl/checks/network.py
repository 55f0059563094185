"""Checks of what the host reaches: packages, code, files, the other hosts, the cards' network. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from jobctl.checks.model import Facts, Finding, NotKnown, Verdict, Wanted, ok, skipped, unknown

_GONE = (404, 410)


def pip_index(facts: Facts, wanted: Wanted) -> Finding:
    """Where pip takes packages from."""
    return _reached(facts, wanted, "pip_index", "installs nothing")


def git_remote(facts: Facts, wanted: Wanted) -> Finding:
    """Where the host clones the code from."""
    return _reached(facts, wanted, "git_remote", "clones nothing on the host")


def downloads(facts: Facts, wanted: Wanted) -> Finding:
    """Files that stages fetch: weights, pictures."""
    return _reached(facts, wanted, "downloads", "fetches no file on the host")


def _reached(facts: Facts, wanted: Wanted, kind: str, nothing: str) -> Finding:
    rows = [row for row in facts["reach"] if row["kind"] == kind]
    if not rows:
        return skipped(f"the job {nothing}" if wanted.job else "no config was named: what is fetched is not known")
    away = [row for row in rows if row["error"]]
    gone = [row for row in rows if row["status"] in _GONE and kind == "downloads"]
    told = "; ".join(f"{row['url']}: {row['error']}" for row in away)
    if away:
        words = ["jobctl", "bundle", wanted.config_word, "-o", "bundle.tar", *_for_this_host(facts, wanted)]
        verdict: Verdict = "failed" if wanted.job else "warning"
        return Finding(verdict, told, "to reach it; offline: a bundle is needed", shlex.join(words), True)
    if gone:
        told = "; ".join(f"{row['url']}: HTTP {row['status']}" for row in gone)
        return Finding("failed", told, "a file", f"curl -sI {shlex.quote(gone[0]['url'])}", True)
    return ok("; ".join(row["url"] + (f" (HTTP {row['status']})" if row["status"] else "") for row in rows))


def _for_this_host(facts: Facts, wanted: Wanted) -> list[str]:
    """Options of `bundle`: what the packages are to fit."""
    try:
        machine = facts["machine"]
        words = ["--arch", str(machine["arch"])]
        if wanted.runtime != "bare":  # the image has a Python and a C library of its own
            return [*words, "--image"]
        version, libc = facts["venv"]["version"], machine["libc"]
    except NotKnown:
        return []
    words += ["--python", ".".join(str(version).split(".")[:2])] if version else []
    return [*words, "--glibc", libc.split()[1]] if libc and libc.startswith("glibc ") else words


def peers(facts: Facts, wanted: Wanted) -> Finding:
    """From this host to the others, at the ports of their SSH servers."""
    if not wanted.several_hosts:
        return skipped("one host is examined")
    rows = facts["peers"]
    away = [row for row in rows if row["error"]]
    if not rows:
        return unknown("the other hosts have no address that this one could use")
    if away:
        told = "; ".join(f"{row['host']} ({row['address']}:{row['port']}): {row['error']}" for row in away)
        remedy = f"ip route get {shlex.quote(away[0]['address'])}"
        return Finding("failed", told, "to reach the other hosts, for a training on several", remedy)
    names = ", ".join(row["host"] for row in rows)
    return ok(f"reaches {names} by SSH's port; whether a firewall lets a training's ports through is not known")


def card_network(facts: Facts, wanted: Wanted) -> Finding:
    """The cards' own network ports, which HCCL uses between hosts."""
    found = facts["hccn"]
    if found["tool"] is None:
        if not wanted.several_hosts:
            return skipped("counts between several hosts only, and there is no hccn_tool")
        return unknown("there is no hccn_tool", "ls /usr/local/Ascend/driver/tools/hccn_tool")
    states = {int(card): read_hccn(said) for card, said in found["cards"].items()}
    tool = shlex.quote(found["tool"])
    silent = [card for card, state in states.items() if not any(state.values())]
    if not states or len(silent) == len(states):
        said = " ".join(next(iter(found["cards"].values()), {}).values()).strip()[:200]
        return unknown(
            f"hccn_tool says nothing that is understood{': ' + said if said else ''}", f"sudo {tool} -i 0 -ip -g"
        )
    down = [card for card, state in states.items() if state["link"] not in (None, "UP")]
    ill = [card for card, state in states.items() if state["net_health"] not in (None, "Success", "Init")]
    nameless = [card for card, state in states.items() if not state["ip"]]
    verdict: Verdict = "failed" if wanted.several_hosts else "warning"
    if down:
        return Finding(verdict, f"no link on {_cards(down)}", "link UP", f"sudo {tool} -i {down[0]} -optical -g")
    if ill:
        told = f"{_cards(ill)}: net health {states[ill[0]]['net_health']}"
        return Finding(verdict, told, "Success", f"sudo {tool} -i {ill[0]} -net_health -g")
    if nameless and wanted.several_hosts:
        remedy = f"sudo {tool} -i {nameless[0]} -ip -s address ADDRESS netmask NETMASK"
        return Finding("failed", f"{_cards(nameless)}: no address", "an address for each card", remedy)
    if wanted.several_hosts and any(state["net_health"] == "Init" for state in states.values()):
        return unknown("links are UP; the cards' network has never been tested (net health Init)")
    return ok(f"{len(states)} cards: links UP")


def _cards(numbers: list[int]) -> str:
    return f"card {', '.join(map(str, numbers))}"


def read_hccn(said: Mapping[str, Any]) -> dict[str, str | None]:
    """What `hccn_tool -i N -ip|-link|-net_health -g` printed: `ipaddr:192.0.2.1`, `link status: UP`,
    `net health status: Success` (texts as published in MindSpore's and MindCluster's documents)."""
    patterns = {
        "ip": r"ipaddr\s*:\s*([0-9a-fA-F.:]+)",
        "link": r"link status\s*:\s*(\w+)",
        "net_health": r"net health status\s*:\s*(\w[\w ]*)",
    }
    found = {name: re.search(pattern, str(said.get(name) or "")) for name, pattern in patterns.items()}
    return {name: match[1].strip() if match else None for name, match in found.items()}
