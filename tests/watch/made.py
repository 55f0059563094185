"""Fixed runs to draw, and a watch that asks nobody and notes what it was asked for."""

from __future__ import annotations

import asyncio
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from textual.pilot import Pilot

from jobctl.api import Piece
from jobctl.errors import ConnectError
from jobctl.monitor.columns import Metrics
from jobctl.watch.app import WatchApp
from jobctl.watch.curves import take
from jobctl.watch.feed import Feed, Known
from jobctl.watch.words import Link, Run

NOW = 1_800_000_000.0
RUN_ID = "deeplabv3p-20261123-5f3a"
_WAIT_S = 60.0

STATUS: dict[str, Any] = {
    "state": "RUNNING",
    "stage": "train",
    "stages": [
        {"name": "environment", "state": "SUCCEEDED", "started_at": NOW - 4000, "ended_at": NOW - 3748},
        {"name": "data", "state": "SUCCEEDED", "started_at": NOW - 3748, "ended_at": NOW - 3741},
        {"name": "train", "state": "RUNNING", "started_at": NOW - 3741, "attempts": 2},
        {"name": "export", "state": "WAITING"},
        {"name": "infer", "state": "WAITING"},
    ],
    "progress": {
        "iter": 1200,
        "iters": 80000,
        "eta_s": 11100,
        "loss": 0.4213,
        "lr": 0.009872,
        "miou": 0.612,
        "best_miou": 0.6201,
    },
}
RUNS = (
    Run(RUN_ID, "lab-a", STATUS),
    Run("deeplabv3p-20261122-77aa", "lab-b", {"state": "RUNNING"}, 7200.0),
    Run("[red]nobody[/red]-20261121-0001", "lab-a", {"state": "FAILED"}),
)


def metrics(cards: int = 4) -> Metrics:
    found = Metrics()
    lines = [
        f'{{"kind": "train", "iter": {at}, "iters": 80000, "loss": {2.5 * 0.75 ** (at / 100) + 0.4:.4f}}}'
        for at in range(10, 1201, 10)
    ]
    lines += [
        f'{{"kind": "eval", "iter": {at}, "miou": {0.7 - 0.6 * 0.7 ** (at / 200):.4f}}}' for at in range(200, 1201, 200)
    ]
    samples = ", ".join(
        f'{{"card": {card}, "load_percent": {97 - card}, "memory_used_mib": 59392, "memory_total_mib": 65536,'
        f' "temperature_c": 61, "power_w": 310.4}}'
        for card in range(cards)
    )
    lines.append(f'{{"kind": "cards", "at": 1.0, "cards": [{samples}]}}')
    lines.append(
        '{"kind": "host", "at": 1.0, "cpu_percent": 43.2, "memory_used_mib": 120000, "memory_total_mib": 524288,'
        ' "disk_free_mib": 3200000, "disk_total_mib": 7000000}'
    )
    found.feed("".join(f"{line}\n" for line in lines).encode())
    return found


def known(link: Link = Link("live"), **status: Any) -> Known:  # noqa: B008 - frozen
    run = Run(RUN_ID, "lab-a", {**STATUS, **status})
    return Known(run, (run, *RUNS[1:]), NOW - 192, link, take(metrics()))


LOG = b"".join(
    b"2026-11-23 00:13:07 [INFO]\t[TRAIN] epoch: 1, iter: %d/80000, loss: 0.4%03d, lr: 0.009872\n" % (at, at % 1000)
    for at in range(10, 1201, 10)
)


@dataclass
class Quiet:
    """In the place of a `RunWatch`."""

    asked: list[str] = field(default_factory=list)

    def cancel(self) -> Any:
        self.asked.append("cancel")
        raise ConnectError("lab-a does not answer", where="lab-a")

    def pull(self, listener: Any) -> Any:
        raise NotImplementedError

    def report(self, listener: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self.asked.append("close")


def draw(
    state: Known,
    size: tuple[int, int] = (80, 24),
    log: bytes = LOG,
    act: Callable[[Pilot[None], Quiet], Awaitable[None]] | None = None,
) -> list[str]:
    """The screen's lines, after `act`."""

    async def show() -> list[str]:
        quiet, feed = Quiet(), Feed(state, clock=lambda: NOW)
        feed.log(Piece("logs/train.log", 0, log))
        app = WatchApp(state.run.run_id, lambda run_id: (feed, quiet), clock=lambda: NOW)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            if act:
                await act(pilot, quiet)
            await pilot.pause()
            return lines_of(app)

    return asyncio.run(show())


def lines_of(app: WatchApp) -> list[str]:
    """What stands on the screen, out of Textual's picture of it: one text element a piece of a line."""
    picture = ElementTree.fromstring(app.export_screenshot())
    pieces: dict[int, list[tuple[float, str]]] = {}
    for element in picture.iter("{http://www.w3.org/2000/svg}text"):
        if place := re.search(r"line-(\d+)\)", element.get("clip-path") or ""):
            text = (element.text or "").replace("\xa0", " ")
            pieces.setdefault(int(place[1]), []).append((float(element.get("x", 0)), text))
    width = 12.2  # of a cell, in rich's picture
    lines = []
    for number in range(max(pieces, default=-1) + 1):
        line = ""
        for x, text in sorted(pieces.get(number, [])):
            line = line.ljust(round(x / width)) + text
        lines.append(line.rstrip())
    return lines


async def until(pilot: Pilot[None], seen: Callable[[], object]) -> None:
    """Until `seen` says something true; Textual's own work goes on meanwhile."""
    deadline = time.monotonic() + _WAIT_S
    while not seen():
        assert time.monotonic() < deadline, lines_of(pilot.app)  # type: ignore[arg-type]
        await pilot.pause(0.02)
