"""What stands on the screen for a status: cases as data, the time handed in."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.monitor.columns import Metrics
from jobctl.watch.curves import Measured, Sample, take
from jobctl.watch.words import Link, Run, card_lines, link_words, progress_words, run_line, stage_lines, why_words
from tests.watch.made import NOW, STATUS, metrics

LINKS: dict[str, tuple[Link, float | None, str]] = {
    "live": (Link("live"), NOW, "live"),
    "at first": (Link(), None, "connecting; nothing is known yet"),
    "at first, of a known run": (Link(), NOW - 60, "connecting; as seen 1 min 00 s ago"),
    "lost": (
        Link("lost", "box does not answer", NOW + 8),
        NOW - 75,
        "NO CONNECTION, as seen 1 min 15 s ago; again in 8 s (box does not answer)",
    ),
    "lost, tried now": (
        Link("lost", "cut\x1b[2J", NOW),
        None,
        "NO CONNECTION, nothing is known yet; connecting again (cut)",
    ),
    "over": (Link("over"), NOW, "the run is over"),
}


@pytest.mark.parametrize("name", LINKS)
def test_how_fresh_it_is_is_said(name: str) -> None:
    link, seen_at, wanted = LINKS[name]
    assert link_words(link, seen_at, NOW) == wanted


PROGRESS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing yet": ({"state": "RUNNING"}, ""),
    "training": (
        STATUS,
        "░░░░░░░░░░ 1200 of 80000, 3 h 05 min left  loss 0.4213  mIoU 0.6120  best 0.6201  lr 0.0099",
    ),
    "after it": ({**STATUS, "state": "SUCCEEDED", "progress": {"iter": 8, "iters": 8}}, "██████████ 8 of 8"),
    "more than all": ({"state": "FAILED", "progress": {"iter": 9, "iters": 8}}, "██████████ 9 of 8"),
    "another trainer": ({"state": "RUNNING", "progress": {"loss": 1.5}}, "loss 1.5000"),
}


@pytest.mark.parametrize("name", PROGRESS)
def test_how_far_it_is_is_said(name: str) -> None:
    status, wanted = PROGRESS[name]
    assert progress_words(status) == wanted


def test_stages_have_marks_and_times() -> None:
    assert stage_lines(STATUS, NOW, 30) == [
        "✓ environment       4 min 12 s",
        "✓ data                     7 s",
        "▶ train ×2          1 h 02 min",
        "· export",
        "· infer",
    ]


RUNS: dict[str, tuple[Run, str]] = {
    "far": (Run("trial-1", "box", {"state": "RUNNING", "progress": {"iter": 1, "iters": 3}}), "▶ trial-1        33%"),
    "old": (Run("trial-1", "box", {"state": "RUNNING"}, 60.0), "▶ trial-1   running?"),
    "failed": (Run("trial-1", "box", {"state": "FAILED"}), "✗ trial-1     failed"),
    "too long": (Run("trial-20261123-abcd", "box", {"state": "QUEUED"}), "· trial-2026… queued"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_the_list_fits_its_line(name: str) -> None:
    run, wanted = RUNS[name]
    assert run_line(run, 20) == wanted


WHY: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"state": "RUNNING"}, ""),
    "waiting": ({"state": "QUEUED", "reason": "waits for \x1b[31m4 cards"}, "waits for 4 cards"),
    "failed": ({"state": "FAILED", "verdict": {"kind": "oom", "stage": "train", "rank": 1}}, "rank 1 out of memory"),
    "tried again": (
        {"state": "RUNNING", "retry_at": 1.0, "verdict": {"kind": "hang", "stage": "train"}},
        "hung, is tried again",
    ),
}


@pytest.mark.parametrize("name", WHY)
def test_why_is_said(name: str) -> None:
    status, wanted = WHY[name]
    assert why_words(status) == wanted


def test_of_cards_and_host_what_is_known_is_shown() -> None:
    assert card_lines(take(metrics(1))) == [
        "card 0    97 %  58.0/64 GiB  61 °C  310 W",
        "host      43 %  117.2/512 GiB  disk 3125 GiB free",
    ]
    assert card_lines(Measured(cards=(Sample(7, {"load_percent": None}),))) == ["card 7 "]
    assert card_lines(Measured(cards_unknown=True)) == ["cards: npu-smi shows no table"]
    assert card_lines(take(Metrics())) == []


def test_of_a_long_curve_a_bounded_number_of_points_is_drawn_and_its_ends_stay() -> None:
    long = Metrics()
    long.feed(b"".join(b'{"kind": "train", "iter": %d, "loss": %d}\n' % (at, at % 7) for at in range(1, 20_001)))
    loss = take(long).loss
    assert len(loss.x) <= 500 and (loss.x[0], loss.x[-1]) == (1, 20_000)
