"""What the user sees of a verdict: a few words in `ps`, the whole of it in `status`, everything with `--json`."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.monitor.verdict_words import few_words, sentence
from tests.e2e.lab import Lab, python

LONG = "ValueError: " + "x" * 100
WORDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a killed rank": (
        {"kind": "killed", "stage": "train", "attempt": 2, "rank": 1, "line": "killed by SIGKILL"}
        | {"ended": "killed by SIGKILL"},
        "rank 1 killed",
        "killed: train, attempt 2, rank 1 was first: killed by SIGKILL",
    ),
    "a rank that the kernel killed": (
        {"kind": "oom", "stage": "train", "attempt": 1, "rank": 1, "line": "killed by SIGKILL"}
        | {"ended": "killed by SIGKILL"},
        "rank 1 killed (out of memory)",
        "oom: train, rank 1 was first: killed by SIGKILL",
    ),
    "cards without memory": (
        {"kind": "oom", "stage": "train", "rank": None, "line": "NPU out of memory", "ended": "exit code 1"},
        "out of memory",
        "oom: train: NPU out of memory · exit code 1",
    ),
    "an error": (
        {"kind": "crash", "stage": "train", "rank": 0, "line": LONG, "ended": "exit code 1"},
        "rank 0: ValueError: " + "x" * 47 + "…",
        f"crash: train, rank 0 was first: {LONG} · exit code 1",
    ),
    "a bad config": (
        {"kind": "config", "stage": "train", "rank": None, "line": "no such key", "ended": None},
        "config: no such key",
        "config: train: no such key",
    ),
    "a kind of a newer host": ({"kind": "new", "line": "something"}, "something", "new: something"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_verdict_is_told_in_few_words_and_in_a_sentence(name: str) -> None:
    verdict, few, whole = WORDS[name]
    assert (few_words(verdict), sentence(verdict)) == (few, whole)


def test_a_failed_run_shows_its_verdict(local_lab: Lab) -> None:
    local_lab.write_config(python("print('the line before'); raise ValueError('no such ' + 'thing ' * 20)"))
    run_id = local_lab.submit()
    data = local_lab.wait(run_id)
    assert data["verdict"]["kind"] == "crash"
    assert data["verdict"]["ended"] == "exit code 1"
    told = local_lab.run("status", run_id).out
    assert "\nverdict: crash: " in told
    assert "\n    the line before\n" in told
    row = local_lab.run("ps").out.splitlines()[1]
    assert "ValueError: no such thing" in row
    assert row.endswith("…")
