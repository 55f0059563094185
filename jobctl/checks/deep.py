"""Judges what a deep check has seen: versions, plugin, Paddle's own check, one card, all cards, and where the work was
done. Pure. Never run on a card; the texts of Paddle are those of 3.3.1, the plugin's those of its documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jobctl.checks.model import Check, Finding, NotKnown, Verdict, ok, skipped, unknown
from jobctl.host import npu_smi

_WORKS_ON = re.compile(r"PaddlePaddle works well on (\d+) (\w+)")
_ONLY_SINGLE = re.compile(r"ONLY for single (\w+)")
_DATE = re.compile(r"dev(\d{8})")
_HELD_SHARE = 0.5


@dataclass(frozen=True)
class Seen:
    """`files`: what the check left, by name. `environment`: of its run. `ended`: how that ended, in words."""

    device: str
    cards: int
    files: Mapping[str, Any]
    environment: Mapping[str, Any]
    ended: str
    run_id: str
    held: tuple[int, ...] = ()

    def step(self, name: str, label: str) -> Mapping[str, Any]:
        """What a step of the check noted. Raises NotKnown where it did not come so far."""
        found = (self.files.get(name) or {}).get(label)
        if not isinstance(found, Mapping):
            raise NotKnown(f"it did not come so far: {self.ended}")
        return found

    @property
    def look(self) -> str:
        """The command that shows more."""
        return f"jobctl logs {self.run_id}"


def environment(seen: Seen) -> Finding:
    """Whether the job's environment could be built, and what is in it."""
    found = seen.environment.get("versions")
    if not found and not seen.files:
        return Finding("failed", seen.ended, "the environment of the config", seen.look, True)
    step = seen.step("one", "versions")
    if "error" in step:
        return Finding("failed", f"Paddle cannot be imported: {step['error']}", "", seen.look, True)
    version = step["value"]["paddle"]
    commit = str(step["value"].get("commit") or "")[:8]
    return ok(f"Paddle {version}{f' ({commit})' if commit else ''}, Python {seen.files['one']['python']}")


def plugin(seen: Seen) -> Finding:
    """Whether Paddle sees the kind of device, and the plugin is of the framework's version."""
    if seen.device != "npu":
        return skipped("the job runs on CPUs")
    types = seen.step("one", "device_types")
    if "npu" not in (types.get("value") or []):
        told = types.get("error") or f"Paddle sees {', '.join(types['value']) or 'no custom device'}"
        wanted = "npu: paddle-custom-npu of the same date as paddlepaddle, and CANN's set_env.sh under `source`"
        return Finding("failed", f"{told} {_tail(types)}".strip(), wanted, seen.look, True)
    framework = seen.step("one", "versions")["value"]["paddle"]
    step = seen.step("one", "plugin")
    said = f"{step.get('said') or ''}\n{step.get('value') or ''}"
    words = {name: re.search(rf"{name}\s*[:=]\s*(\S+)", said, re.IGNORECASE) for name in ("version", "commit", "cann")}
    told = ", ".join(f"{name} {match[1]}" for name, match in words.items() if match)
    if "error" in step or words["version"] is None:
        return unknown(
            f"Paddle sees the npu; the plugin does not tell its version: {step.get('error') or said.strip()}"
        )
    return _compare(framework, words["version"][1], told)


def _compare(framework: str, version: str, told: str) -> Finding:
    ours, theirs = framework.split(".")[:2], version.split(".")[:2]
    dates = [match[1] if (match := _DATE.search(text)) else None for text in (framework, version)]
    words = f"plugin {told}; Paddle {framework}"
    wanted = "the same: nightlies of different days break (operators, undefined symbols)"
    if ours != theirs:
        return Finding("failed", words, wanted)
    if dates[0] != dates[1]:
        return Finding("warning", words, wanted)
    return ok(words)


def own_check(seen: Seen) -> Finding:
    """`paddle.utils.run_check()`, whose last line says "successfully" whatever happened to several devices."""
    step = seen.step("one", "run_check")
    said = step.get("said") or ""
    if "error" in step:
        return Finding("failed", f"run_check: {step['error']}", "that it passes", seen.look, True)
    if single := _ONLY_SINGLE.search(said):
        told = f"run_check passes on one {single[1]} only; it calls that a success"
        return Finding("warning" if seen.cards > 1 else "ok", told, "see all_cards" if seen.cards > 1 else "")
    if works := _WORKS_ON.search(said):
        told = f"run_check: PaddlePaddle works well on {works[1]} {works[2]}"
        if works[2].lower().startswith("cpu") and seen.device == "npu":
            return Finding("failed", told, f"on {seen.device}: it has taken the CPU", seen.look, True)
        return ok(told)
    return unknown(f"run_check says nothing that is understood: {_tail(step)}", seen.look)


def one_card(seen: Seen) -> Finding:
    """A product of matrices whose result is known."""
    step = seen.step("one", "one_card")
    if "error" in step:
        return Finding("failed", f"{step['error']} {_tail(step)}".strip(), "a product of matrices", seen.look, True)
    found = step["value"]
    told = f"a product of matrices on {found['place']} is {found['mean']:g}"
    if found["mean"] != found["wanted"]:
        return Finding("failed", told, f"{found['wanted']:g}", seen.look, True)
    if seen.device not in str(found["place"]).lower():
        return Finding("failed", told, f"on {seen.device}: the CPU did the work", seen.look, True)
    return ok(told)


def all_cards(seen: Seen) -> Finding:
    """A sum over all ranks, under Paddle's launcher."""
    steps = [seen.step(f"rank-{rank}", "all_reduce") for rank in range(seen.cards)]
    wrong = [(rank, step) for rank, step in enumerate(steps) if "error" in step]
    if wrong:
        rank, step = wrong[0]
        told = f"rank {rank} of {seen.cards}: {step['error']}"
        return Finding("failed", told, f"a sum over {seen.cards} ranks", seen.look, True)
    rows = [step["value"] for step in steps]
    places = [str(row["place"]) for row in rows]
    told = f"a sum over {rows[0]['ranks']} ranks is {rows[0]['sum']:g}, on {', '.join(sorted(set(places)))}"
    if any(row["ranks"] != seen.cards or row["sum"] != row["wanted"] for row in rows):
        return Finding("failed", told, f"{seen.cards * (seen.cards + 1) / 2:g} over {seen.cards}", seen.look, True)
    if any(seen.device not in place.lower() for place in places):
        return Finding("failed", told, f"on {seen.device}", seen.look, True)
    if seen.device == "npu" and len(set(places)) < seen.cards:
        return Finding("failed", told, "each rank on a card of its own", seen.look, True)
    return ok(told)


def on_the_card(seen: Seen) -> Finding:
    """That the card did the work: npu-smi shows the process, or the memory that it held, on the cards of the run."""
    if seen.device != "npu":
        return skipped("the job runs on CPUs")
    step = seen.step("one", "one_card")
    if "error" in step:
        return unknown("there was no work on a card")
    found = step["value"]
    if not found.get("smi_during"):
        return unknown(f"npu-smi could not be asked meanwhile; Paddle says {found['place']}")
    before, during = npu_smi.parse(found.get("smi_before") or ""), npu_smi.parse(found["smi_during"])
    ours = [one for one in during.processes or [] if one.pid == found["pid"]]
    if ours:
        return ok(f"npu-smi shows process {found['pid']} on card {ours[0].npu} while it works")
    grown = {card: size for card, size in _grown(before, during).items() if not seen.held or card in seen.held}
    enough = found.get("held_bytes", 0) / (1 << 20) * _HELD_SHARE
    risen = [card for card, size in grown.items() if size >= enough > 0]
    if risen:
        told = f"npu-smi shows {grown[risen[0]]} MiB more on card {risen[0]} while it works, not the process"
        return ok(told)
    if not grown:
        return unknown(f"npu-smi shows no memory of the cards: {during.error or 'no table'}")
    told = f"npu-smi shows neither process {found['pid']} nor its memory while it works"
    return Finding("failed", told, "one of both on a card of the run", seen.look, True)


def _grown(before: npu_smi.Snapshot, during: npu_smi.Snapshot) -> dict[int, int]:
    """MiB more on each card that both tables tell of."""
    then = {(card.npu, card.chip): card.hbm_used_mib for card in before.cards or []}
    found: dict[int, int] = {}
    for card in during.cards or []:
        was = then.get((card.npu, card.chip))
        if was is not None and card.hbm_used_mib is not None:
            found[card.npu] = max(found.get(card.npu, -(1 << 30)), card.hbm_used_mib - was)
    return found


def _tail(step: Mapping[str, Any]) -> str:
    lines = [line.strip() for line in (step.get("said") or "").splitlines() if line.strip()]
    return f"({lines[-1][:200]})" if lines else ""


DEEP_CHECKS: Mapping[str, Callable[[Seen], Finding]] = MappingProxyType(
    {
        "environment": environment,
        "plugin": plugin,
        "own_check": own_check,
        "one_card": one_card,
        "all_cards": all_cards,
        "on_the_card": on_the_card,
    }
)
"""Name -> what makes it, in order."""


def make_deep_checks(seen: Seen) -> list[Check]:
    """What is to be said of a deep check that came back."""
    return [_made(name, checker, seen) for name, checker in DEEP_CHECKS.items()]


def not_done(verdict: Verdict, why: str, remedy: str = "") -> list[Check]:
    """The same checks where there was no such run."""
    first, *others = DEEP_CHECKS
    return [Check(first, verdict, why, "", remedy, True), *(Check(name, "skipped", "see above") for name in others)]


def _made(name: str, checker: Callable[[Seen], Finding], seen: Seen) -> Check:
    try:
        finding = checker(seen)
    except NotKnown as why:
        # Where an earlier step has failed, this one was not reached: not a failure of its own.
        finding = Finding("unknown", str(why), "", seen.look, True)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        finding = Finding("unknown", f"what was noted is not understood ({type(error).__name__}: {error})")
    return Check(name, finding.verdict, finding.found, finding.wanted, finding.remedy, finding.here)
