"""The report in a real browser: three sizes, light, dark and paper, keyboard and pointer, and nothing leaves the file.

JOBCTL_SCREENSHOTS=FOLDER keeps the pictures for people to look at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from jobctl.monitor.evidence import Evidence
from jobctl.monitor.page import make_report
from jobctl.monitor.verdict_words import sentence
from tests.monitor import runs
from tests.monitor.browser import SIZES, opened, running_browser


def compared() -> list[Evidence]:
    lines = [line.replace("loss: ", "loss: 1") for line in runs.CAPTURED.read_text().splitlines()]
    other = runs.evidence("deeplabv3p-20261124-77aa", "SUCCEEDED", runs.metrics_of(iter(lines)), host_name="lab-b")
    return [runs.finished(), other, runs.queued()]


SCENES: dict[str, Callable[[], list[Evidence]]] = {
    "finished": lambda: [runs.finished()],
    "failed": lambda: [runs.failed()],
    "queued": lambda: [runs.queued()],
    "compared": compared,
    "long": lambda: [runs.long()],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("JOBCTL_SCREENSHOTS")
    place = Path(kept) if kept else tmp_path_factory.mktemp("reports")
    place.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        (place / f"{name}.html").write_text(make_report(scene(), runs.BEGAN + 5000, sentence), encoding="utf-8")
    return place


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SCENES)
def test_a_report_opens_without_a_network_and_fits(browser: Browser, folder: Path, name: str, size: str) -> None:
    with opened(browser, folder / f"{name}.html", size, dark=size == "laptop") as (page, wrong):
        page.screenshot(path=folder / f"{name}-{size}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], "it scrolls sideways"
        assert page.evaluate("window.pwned") is None
        assert page.locator("canvas").count() == page.locator(".chart").count()
        drawn = (
            "[...document.querySelectorAll('canvas')].map(c => c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        )
        assert all(page.evaluate(drawn + ".data.some(byte => byte))")), "a curve is empty"
    assert wrong == []


def test_what_an_attacker_says_is_shown_as_it_was_said(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "failed.html") as (page, wrong):
        assert page.locator("h1").inner_text() == f"failed {runs.XSS} 中文"
        shown = page.locator("body").inner_text()
        assert shown.count("<script>window.pwned=1</script>") >= 6
        assert "rank 1 was first" in shown and "1 h 01 min" in shown, "the verdict, and how old it is"
    assert wrong == []


def test_curves_answer_pointer_and_keyboard(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "finished.html") as (page, wrong):
        figure = page.locator("[data-chart=loss]")
        plot, readout = figure.locator(".plot"), figure.locator(".readout")
        plot.focus()
        page.keyboard.press("Home")
        assert "iteration 10" in readout.inner_text() and "1.6789" in readout.inner_text()
        page.keyboard.press("ArrowRight")
        assert "iteration 20" in readout.inner_text() and "0.9115" in readout.inner_text()
        page.keyboard.press("End")
        assert "iteration 120" in readout.inner_text()
        box = plot.locator(".u-over").bounding_box()
        assert box
        page.mouse.move(box["x"] + 1, box["y"] + 20)
        assert "iteration 10" in readout.inner_text()
        before = plot.screenshot()
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20, steps=4)
        page.mouse.up()
        page.mouse.move(0, 0)
        page.mouse.move(box["x"] + 1, box["y"] + 20)
        assert "iteration 10" not in readout.inner_text(), "zoomed: the left edge is another iteration"
        figure.get_by_role("button", name="Show the whole curve").click()
        page.mouse.move(box["x"] + 1, box["y"] + 20)
        assert "iteration 10" in readout.inner_text()
        assert before
    assert wrong == []


def test_a_prediction_is_laid_over_its_picture_in_the_colours_of_the_legend(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "finished.html") as (page, wrong):
        slider = page.get_by_role("slider", name="Prediction over input")
        slider.fill("25")
        assert page.locator(".prediction").evaluate("image => getComputedStyle(image).opacity") == "0.25"
        page.wait_for_function("document.querySelector('[data-class=\"0\"] .share').textContent")
        shares = page.locator(".legend .share").all_inner_texts()
        assert sum(float(share.split(" ")[0]) for share in shares if share and "<" not in share) == pytest.approx(
            100, abs=1
        )
    assert wrong == []


def test_a_screen_reader_finds_its_way(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "finished.html") as (page, _):
        for role in ("banner", "main", "contentinfo"):
            assert page.get_by_role(role).count() == 1
        assert page.locator("h1").count() == 1
        assert page.get_by_role("region").count() >= 6, "each section is a landmark with a name"
        loss = page.get_by_role("img", name="Loss: loss: 12 values, first 1.679")
        assert loss.count() == 1, "a curve is told in words"
        assert page.locator("img:not([alt]), img[alt='']").count() == 0
        assert page.locator("table").count() == page.locator("table:has(th[scope=col])").count()
        assert (
            page.get_by_role("columnheader", name="IoU").count() and page.get_by_role("rowheader", name="road").count()
        )
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"


def test_it_can_be_printed(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "finished.html", dark=True) as (page, wrong):
        page.pdf(path=folder / "finished.pdf", format="A4", print_background=True)
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator(".tools").first.is_hidden() and page.locator(".readout").first.is_visible()
    assert (folder / "finished.pdf").stat().st_size > 20_000
    assert wrong == []
