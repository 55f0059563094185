"""Makes docs/pictures/report.png of a report that `jobctl report` has written of a real run.

    python docs/pictures/report.py REPORT.html

Needs Chromium, and Playwright and Pillow in this Python (`make .venv/.dev` has both). The picture is what the browser
shows, cut in two columns so that it fits a page.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
GAP, COLUMN_HEIGHT = 24, 1500

sys.path.insert(0, str(ROOT))

from tests.monitor.browser import opened, running_browser  # noqa: E402 (the tests' browser, from the source tree)


def main() -> None:
    """The top of the report, and what comes below it, side by side."""
    file = Path(sys.argv[1]).resolve()
    with running_browser() as browser, opened(browser, file) as (page, _):
        page.wait_for_timeout(500)
        below = page.get_by_role("heading", name="Classes").bounding_box()
        assert below is not None
        whole = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture = Image.new("RGB", (2 * whole.width + GAP, COLUMN_HEIGHT), "white")
    for column, top in enumerate((0, int(below["y"]) - 40)):
        part = whole.crop((0, top, whole.width, min(top + COLUMN_HEIGHT, whole.height)))
        picture.paste(part, (column * (whole.width + GAP), 0))
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(HERE / "report.png", optimize=True)


if __name__ == "__main__":
    main()
