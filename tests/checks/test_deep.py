"""What is said of what a deep check has noted, as data; the check itself is run in tests/paddle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jobctl.checks.deep import DEEP_CHECKS, Seen, make_deep_checks, not_done
from tests.checks.conftest import load_cases

CASES = load_cases("deep.yaml")
IDLE = (Path(__file__).parent / "data" / "npu_smi_info.txt").read_text()
PID, HELD = 4711, 512 << 20


def smi(pid: int | None = PID, hbm: dict[int, int] | None = None, text: str | None = None) -> str:
    """npu-smi while the card works: our process on card 0, and the memory in use on some cards."""
    if text is not None:
        return text
    shown = IDLE
    for card, used in (hbm or {}).items():
        lines = shown.splitlines()
        row = next(at for at, line in enumerate(lines) if re.match(rf"\| {card} +910B2", line)) + 1
        lines[row] = lines[row].replace("3335", str(used))
        shown = "\n".join(lines)
    if pid is None:
        return shown
    row_of_it = f"| 0       0                 | {pid:<13} | python                   | 512                     |"
    return shown.replace(f"| No running processes found in NPU 0{' ' * 60}|", row_of_it)


def good_one(during: str) -> dict[str, Any]:
    card = {"place": "Place(npu:0)", "mean": 1024.0, "wanted": 1024.0, "pid": PID, "held_bytes": HELD}
    return {
        "python": "3.10.14",
        "versions": {"value": {"paddle": "3.0.0.dev20241001", "commit": "abcdef0123456789"}, "said": ""},
        "device_types": {"value": ["npu"], "said": ""},
        "plugin": {"value": "None", "said": "version: 3.0.0.dev20241001\ncommit: 123abc\ncann: 8.0.RC1\n"},
        "run_check": {
            "value": None,
            "said": "PaddlePaddle works well on 2 npus.\nPaddlePaddle is installed successfully!",
        },
        "one_card": {"value": {**card, "smi_before": IDLE, "smi_during": during}, "said": ""},
    }


def rank(number: int) -> dict[str, Any]:
    place = f"Place(npu:{number})"
    return {"value": {"ranks": 2, "rank": number, "place": place, "sum": 3.0, "wanted": 3.0}, "said": ""}


def seen(case: dict[str, Any]) -> Seen:
    one = {**good_one(smi(**case.get("smi", {}))), **case.get("one", {})}
    ranks = case.get("ranks", [rank(0), rank(1)])
    files = {"one": one, **{f"rank-{number}": {"all_reduce": step} for number, step in enumerate(ranks) if step}}
    return Seen("npu", 2, files, {"versions": {"paddlepaddle": "3"}}, "the run is FAILED", "a-run", (0, 1))


@pytest.mark.parametrize("name", CASES)
def test_what_was_noted_is_judged(name: str) -> None:
    case = CASES[name]
    checks = {check.name: check for check in make_deep_checks(seen(case))}
    assert {check: checks[check].verdict for check in case["verdicts"]} == case["verdicts"], checks
    for check, words in case.get("found", {}).items():
        assert words in checks[check].found


def test_an_environment_that_could_not_be_built_is_told_and_the_rest_is_not_called_failed() -> None:
    ended = "the run is FAILED: no package paddlepaddle"
    checks = make_deep_checks(Seen("npu", 2, {}, {}, ended, "a-run"))
    assert (checks[0].verdict, checks[0].found, checks[0].remedy) == ("failed", ended, "jobctl logs a-run")
    assert {check.verdict for check in checks[1:]} == {"unknown"}


@pytest.mark.parametrize("value", [None, 7, "text", [], {"one": 5}, {"one": {"one_card": {"value": 3}}}], ids=str)
def test_notes_that_are_nonsense_make_no_crash(value: Any) -> None:
    files = value if isinstance(value, dict) else {"one": value}
    assert [check.name for check in make_deep_checks(Seen("npu", 2, files, {}, "?", "a-run"))] == list(DEEP_CHECKS)


def test_a_check_that_was_not_done_has_its_reason_once() -> None:
    first, *others = not_done("unknown", "others have the cards")
    assert (first.name, first.found) == ("environment", "others have the cards")
    assert {check.verdict for check in others} == {"skipped"}
