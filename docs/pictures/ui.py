"""Makes docs/pictures/ui.png of what `jobctl ui` shows of a real run.

    python docs/pictures/ui.py ADDRESS

ADDRESS is what `jobctl ui --no-open` has printed. Needs Chromium, and Playwright and Pillow in this Python.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.monitor.browser import running_browser  # noqa: E402 (the tests' browser, from the source tree)


def main() -> None:
    """The page at 1440 by 1100, once the newest run's curves are there."""
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 1100})
        page.goto(sys.argv[1])
        page.wait_for_selector("[data-chart=quality] canvas")
        page.wait_for_selector("#text .l")
        page.wait_for_selector("#headline .state-running")
        page.wait_for_timeout(1500)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        Path(__file__).parent / "ui.png", optimize=True
    )


if __name__ == "__main__":
    main()
