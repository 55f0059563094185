"""The whole screen, drawn from fixed data and compared with files, in text: no colour is needed to read it.

What was drawn is left in pytest's temporary folder. Where it is better than what stands in `screens/`, copy it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from jobctl.api import RunView
from jobctl.laptop.records import Record
from jobctl.watch.app import WatchApp
from jobctl.watch.curves import Measured
from jobctl.watch.feed import Feed, Known
from jobctl.watch.log_view import LogView
from jobctl.watch.words import Link
from tests.watch.made import LOG, NOW, RUN_ID, STATUS, Quiet, draw, known, lines_of, until

SCREENS = Path(__file__).parent / "screens"
LOST = Link("lost", "lab-a does not answer", NOW + 4)
FAILED: dict[str, Any] = {
    "state": "FAILED",
    "stage": None,
    "verdict": {"kind": "oom", "stage": "train", "rank": 1, "ended": "SIGKILL", "line": "out of memory"},
}
QUEUED: dict[str, Any] = {
    "state": "QUEUED",
    "stage": None,
    "stages": [],
    "progress": {},
    "reason": "waits for 4 cards; 2 are free",
}
HOSTILE = b"[red]a[/red] \x1b]0;title\x07\x1b[31mb\x1b[0m\x9b\n"
CASES: dict[str, tuple[Known, tuple[int, int], bytes]] = {
    "running-80x24": (known(), (80, 24), LOG),
    "running-120x40": (known(), (120, 40), LOG),
    "lost-80x24": (known(LOST), (80, 24), LOG),
    "failed-80x24": (known(Link("over"), **FAILED), (80, 24), LOG),
    "queued-80x24": (replace(known(**QUEUED), measured=Measured()), (80, 24), b""),
    "hostile-80x24": (
        known(stage="\x1b[2Jtrain [b]x[/b]"),
        (80, 24),
        HOSTILE,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_screen_is_as_it_was_looked_at(name: str, tmp_path: Path) -> None:
    state, size, log = CASES[name]
    drawn = "\n".join(draw(state, size, log)) + "\n"
    (tmp_path / f"{name}.txt").write_text(drawn)
    assert drawn == (SCREENS / f"{name}.txt").read_text(), f"drawn now: {tmp_path / name}.txt"


def test_a_long_log_that_comes_at_once_is_followed_to_its_end() -> None:
    """As of a run that has ended: nothing more comes, so nothing else brings the end into sight."""

    async def scrolled(pilot: Pilot[None], quiet: Quiet) -> None:
        log = pilot.app.query_one(LogView)
        await until(pilot, lambda: log.max_scroll_y > 0 and log.scroll_offset.y == log.max_scroll_y)
        await pilot.press("up")
        await until(pilot, lambda: not log.follows)
        await pilot.press("end")
        await until(pilot, lambda: log.follows)

    assert any("iter: 12000/" in line for line in draw(known(), log=LOG * 10 + b"iter: 12000/80000\n", act=scrolled))


def test_a_search_goes_to_the_newest_match_and_from_there_up_and_down() -> None:
    said: list[str] = []

    async def search(pilot: Pilot[None], quiet: Quiet) -> None:
        await pilot.press("slash", *"iter: 5", "enter")
        said.append(text(pilot))
        await pilot.press("n")
        said.append(text(pilot))
        await pilot.press("N", "N")
        said.append(text(pilot))

    lines = draw(known(), act=search)
    assert said == ["/iter: 5: 11 of 11", "/iter: 5: 10 of 11", "/iter: 5: 1 of 11"]
    assert any("iter: 50/80000" in line for line in lines), "the match is in sight"


def test_what_is_not_in_the_log_is_said() -> None:
    async def search(pilot: Pilot[None], quiet: Quiet) -> None:
        await pilot.press("slash", *"nothing", "enter")

    assert "/nothing: not in the last 121 lines" in "\n".join(draw(known(), act=search))


def test_cancel_asks_first_and_a_no_is_no() -> None:
    asked: list[str] = []

    async def cancel(pilot: Pilot[None], quiet: Quiet) -> None:
        await pilot.press("c", "n")
        asked.extend(quiet.asked)

    draw(known(), act=cancel)
    assert not asked


def test_a_cancel_that_cannot_be_is_said() -> None:
    async def cancel(pilot: Pilot[None], quiet: Quiet) -> None:
        await pilot.press("c", "y")
        await until(pilot, lambda: "does not answer" in text(pilot))

    assert "cancel: lab-a does not answer (lab-a)" in "\n".join(draw(known(), act=cancel))


def test_an_ended_run_is_not_cancelled() -> None:
    async def cancel(pilot: Pilot[None], quiet: Quiet) -> None:
        await pilot.press("c")

    assert "has ended; there is nothing to cancel" in "\n".join(draw(known(Link("over"), **FAILED), act=cancel))


def test_the_log_alone_and_back() -> None:
    async def log(pilot: Pilot[None], quiet: Quiet) -> None:
        await pilot.press("l")

    async def twice(pilot: Pilot[None], quiet: Quiet) -> None:
        await pilot.press("l", "l")

    assert sum("[TRAIN]" in line for line in draw(known(), act=log)) >= 19
    assert draw(known(), act=twice) == draw(known())


@pytest.mark.parametrize("looked_s", [1, 60])
def test_who_has_looked_away_is_told_once_that_the_run_is_over(looked_s: int) -> None:
    told: list[tuple[str, str]] = []
    now = [NOW]

    async def show() -> None:
        feed = Feed(known(), clock=lambda: NOW)
        app = WatchApp(RUN_ID, lambda run_id: (feed, Quiet()), lambda: now[0], lambda *said: told.append(said))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            now[0] += looked_s
            record = Record(RUN_ID, "deeplabv3p", "lab-a", {}, NOW, seen_at=NOW)
            feed.seen([RunView(record, {**STATUS, **FAILED})])
            await until(pilot, lambda: "FAILED" in "".join(lines_of(app)[:2]))
            feed.seen([RunView(record, {**STATUS, **FAILED, "resumes": 1})])
            await pilot.pause(0.6)

    asyncio.run(show())
    assert [title for title, _ in told] == ([f"{RUN_ID}: FAILED"] if looked_s == 60 else [])


def text(pilot: Pilot[None]) -> str:
    from textual.widgets import Static

    return str(pilot.app.query_one("#said", Static).content)
