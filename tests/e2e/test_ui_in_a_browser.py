"""`jobctl ui` in a real browser, with a real run over SSH: it is seen running, log and curves follow, buttons work.

JOBCTL_SCREENSHOTS=FOLDER keeps the pictures for people to look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import folders, make_lab
from tests.e2e.lab import Lab, python
from tests.e2e.socks import Way, way_to
from tests.e2e.ui_server import Server, serving
from tests.monitor.browser import SIZES, running_browser
from tests.monitor.runs import CAPTURED, XSS, long_log
from tests.sshd import Sshd

REPEAT = """
import sys, time
script = open(sys.argv[1], encoding="utf-8")
while True:
    line = script.readline()
    if line == "end\\n":
        break
    print(line, end="", flush=True) if line else time.sleep(0.02)
"""
"""A training that prints what the test writes into a file."""
FAIL = "raise ValueError({!r})"
PATIENCE_MS = 60_000  # for what takes a second, on a machine under load

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Scene:
    """A laptop with a run that failed and one that is training; `say` is what its training prints next."""

    lab: Lab
    failed: str
    running: str
    script: Path

    def say(self, *lines: str) -> None:
        with self.script.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    @property
    def log(self) -> Path:
        return self.lab.work_dir / "runs" / self.running / "logs" / "train.log"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("JOBCTL_SCREENSHOTS")
    place = Path(kept) if kept else tmp_path_factory.mktemp("ui")
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture
def scene(shared_sshd: Sshd, weird_path: Path) -> Iterator[Scene]:
    lab = make_lab(weird_path, shared_sshd.inventory("box", **folders(weird_path)))
    lab.write_config(python(FAIL.format(XSS)), artifacts=[])
    failed = lab.submit()
    lab.wait(failed)
    script = lab.laptop / "script"
    script.touch()
    lab.write_config(python(REPEAT, str(script)), artifacts=[])
    found = Scene(lab, failed, lab.submit(), script)
    yield found
    lab.run("cancel", found.running, "--grace", "0")


@contextmanager
def looking(
    browser: Browser, server: Server, size: str = "wide", *, dark: bool = False, way: Way | None = None
) -> Iterator[Page]:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        proxy={"server": way.address, "bypass": "<-loopback>"} if way else None,
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(server.address)
    page.wait_for_selector("html[data-ready]")
    try:
        yield page
    finally:
        context.close()


def shown_log(page: Page) -> str:
    """Every line that the page has, as its text."""
    return str(page.evaluate("[...document.querySelectorAll('#text .l')].map(l => l.textContent + '\\n').join('')"))


def trained(lines: list[str]) -> int:
    return sum("[TRAIN]" in line for line in lines)


def test_a_run_is_seen_followed_pulled_and_cancelled(browser: Browser, scene: Scene) -> None:
    lines = CAPTURED.read_text(encoding="utf-8").splitlines()
    head, tail = lines[:12], lines[12:]
    with serving(scene.lab) as server, looking(browser, server) as page:
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        expect(page.locator("#headline .state")).to_have_text("RUNNING")
        scene.say(*head, XSS)
        expect(page.locator("#text .l").last).to_have_text(XSS)
        plot = page.locator("[data-chart=loss] .plot")
        expect(plot).to_have_attribute("aria-label", _values(trained(head)))
        scene.say(*tail)
        expect(plot).to_have_attribute("aria-label", _values(trained(lines)))
        expect(page.locator("#figures")).to_contain_text("0.2194")
        expect(page.get_by_role("row").filter(has_text=scene.failed)).to_contain_text(f"ValueError: {XSS[:30]}")
        assert page.evaluate("window.pwned") is None
        page.get_by_role("button", name="Pull results").click()
        expect(page.locator("#notices")).to_contain_text("files are new in")
        assert list((scene.lab.laptop / "results" / scene.running).iterdir())
        page.get_by_role("button", name="Cancel run").click()
        page.get_by_role("button", name="Let it run").click()
        page.get_by_role("button", name="Cancel run").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
        expect(page.locator("#headline .state")).to_have_text("CANCELLED")
        expect(page.locator("#log-note")).to_contain_text("The log ends here: CANCELLED")
        assert wrong == []
    assert scene.lab.run("status", scene.running, "--json").json()["data"]["state"] == "CANCELLED"


def _values(count: int) -> re.Pattern[str]:
    return re.compile(rf"loss: {count} values")


def test_a_page_that_was_cut_off_goes_on_where_it_stopped(browser: Browser, scene: Scene) -> None:
    with serving(scene.lab) as server, way_to(server.port) as way, looking(browser, server, way=way) as page:
        for turn in range(3):
            scene.say(*(f"before {turn} {number} 中文" for number in range(200)))
            expect(page.locator("#text .l").last).to_have_text(f"before {turn} 199 中文")
            way.cut()
            expect(page.locator("#line")).to_contain_text("not connected")
            scene.say(*(f"meanwhile {turn} {number}" for number in range(200)))
            way.mend()
            expect(page.locator("#text .l").last).to_have_text(f"meanwhile {turn} 199")
        assert shown_log(page) == scene.log.read_text(encoding="utf-8")


def test_a_long_log_opens_at_its_end_and_its_lines_stay_bounded(browser: Browser, scene: Scene) -> None:
    lines = list(long_log(20_000))
    scene.say(*lines)
    scene.say("the last")
    with serving(scene.lab) as server, looking(browser, server) as page:
        expect(page.locator("#text .l").last).to_have_text("the last")
        before = page.locator("#text .l").count()
        assert before <= 5000
        page.get_by_role("button", name="Load earlier").click()
        expect(page.locator("#text .l").nth(before + 100)).to_be_attached()
        whole = scene.log.read_text(encoding="utf-8")
        assert whole.endswith(shown_log(page)), "what was loaded stands before what was there, with no gap"
        page.get_by_role("button", name="To the end").click()
        scene.say(*(f"more {number}" for number in range(6000)))
        expect(page.locator("#text .l").last).to_have_text("more 5999")
        assert page.locator("#text .l").count() <= 5000


def test_it_is_for_everybody_and_every_screen(browser: Browser, scene: Scene, folder: Path) -> None:
    scene.say(*CAPTURED.read_text(encoding="utf-8").splitlines())
    with serving(scene.lab, "-i", str(scene.lab.inventory)) as server:
        for size in SIZES:
            with looking(browser, server, size, dark=size == "laptop") as page:
                expect(page.locator("[data-chart=loss] canvas")).to_be_visible()
                expect(page.locator("#hosts h3")).to_contain_text("box")
                assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], "it scrolls sideways"
                page.screenshot(path=folder / f"ui-{size}.png", full_page=True)
        with looking(browser, server) as page:
            for role in ("banner", "main", "navigation"):
                assert page.get_by_role(role).count() == 1
            assert page.locator("table").count() == page.locator("table:has(th[scope=col])").count()
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.textContent") == "To the run"
            link = page.get_by_role("link", name=scene.failed)
            link.focus()
            page.keyboard.press("Enter")
            expect(page.locator("#h-run")).to_have_text(scene.failed)
            expect(page.locator("#notices")).to_contain_text(XSS)
            with page.expect_popup() as opened:
                page.get_by_role("link", name="Report").click()
            expect(opened.value.locator("h1")).to_have_text(scene.failed)
            assert opened.value.evaluate("window.origin") == "null", "the report can reach nothing here"
