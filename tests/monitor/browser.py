"""A headless Chromium of Debian's, driven by Playwright, that reaches nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ARGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SIZES = {"wide": (1440, 900), "laptop": (1024, 768), "phone": (390, 844)}


@contextmanager
def running_browser() -> Iterator[Browser]:
    """With a profile of its own that goes with it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here: sudo apt-get install -y chromium (on Ubuntu: snap install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, file: Path, size: str = "laptop", *, dark: bool = False
) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what went wrong in it: messages of its scripts, errors, and whatever it wanted from a network."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url[:200]) if _outside(request.url, file) else None)
    try:
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        yield page, wrong
    finally:
        context.close()


def _outside(url: str, file: Path) -> bool:
    return not url.startswith("data:") and url != file.as_uri()
