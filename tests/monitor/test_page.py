"""The report as a file: its numbers are the trainer's, it needs nothing else, and text in it stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from jobctl.monitor.downsample import pick
from jobctl.monitor.evidence import Evidence
from jobctl.monitor.page import as_script_json, make_report
from jobctl.monitor.pictures import with_cityscapes_palette
from jobctl.monitor.verdict_words import sentence
from tests.monitor import runs


def report(*shown: Evidence) -> str:
    return make_report(shown, runs.BEGAN + 5000, sentence)


def data_of(page: str) -> dict[str, Any]:
    """The JSON that the page's curves are drawn from."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def curve(page: str, chart: str, name: str) -> dict[float, float]:
    [chart_data] = [one for one in data_of(page)["charts"] if one["id"] == chart]
    [series] = [one for one in chart_data["series"] if one["name"] == name]
    return dict(zip(series["x"], series["y"], strict=True))


class Elements(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_curves_are_the_numbers_that_paddleseg_printed() -> None:
    page, log = report(runs.finished()), runs.CAPTURED.read_text()
    printed = re.findall(
        r"iter: (\d+)/120, loss: (\S+), lr: (\S+), batch_cost: (\S+), reader_cost: (\S+), ips: (\S+)", log
    )
    assert len(printed) == 12
    for place, (chart, name) in enumerate(
        [("loss", "loss"), ("lr", "lr"), ("cost", "batch_cost"), ("cost", "reader_cost"), ("ips", "ips")], 1
    ):
        assert curve(page, chart, name) == {float(row[0]): float(row[place].rstrip(",")) for row in printed}
    evals = re.findall(r"mIoU: (\S+) Acc: (\S+) Kappa: (\S+) Dice: (\S+)", log)
    for place, name in enumerate(["mIoU", "Acc", "Kappa", "Dice"]):
        assert list(curve(page, "quality", name).values()) == [float(row[place]) for row in evals]


def test_the_class_table_is_that_of_the_best_evaluation() -> None:
    page, log = report(runs.finished()), runs.CAPTURED.read_text()
    best_iter = re.findall(r"was saved at iter (\d+)", log)[-1]
    values = re.findall(r"Class IoU: \n\[(.*?)\]", log, re.DOTALL)[-1].split()
    assert len(values) == 19
    rows = re.findall(
        r'scope="row">(?:<svg.*?</svg> )?([a-z ]+)</th><td class="bar-cell">.*?</td><td>([\d.]+)</td>', page
    )
    assert [float(value) for _, value in rows] == [float(value) for value in values]
    assert rows[0][0] == "road" and rows[18][0] == "bicycle"
    assert f"iteration {best_iter}" in page


SCENES = {"finished": runs.finished, "failed": runs.failed, "queued": runs.queued}


@pytest.mark.parametrize("name", SCENES)
def test_nothing_that_a_run_says_becomes_an_element(name: str) -> None:
    page = report(SCENES[name]())
    elements = Elements()
    elements.feed(page)
    assert sum(tag == "script" for tag, _ in elements.tags) == 4, "the data, uPlot and two of ours"
    for tag, attributes in elements.tags:
        assert not any(key.startswith("on") for key in attributes), (tag, attributes)
        assert tag not in ("iframe", "object", "embed", "link", "base", "form")
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
        assert "style" not in attributes
    if name == "failed":
        assert "&lt;script&gt;window.pwned" in page and "<script>window.pwned" not in page


def test_the_policy_allows_the_scripts_of_the_page_and_no_others() -> None:
    page = report(runs.queued())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    assert policy
    rules = dict(part.strip().split(" ", 1) for part in policy[1].replace("&#39;", "'").split(";"))
    assert rules["default-src"] == "'none'" and "unsafe" not in policy[1]
    for kind, rule in (("script", "script-src"), ("style", "style-src")):
        texts = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        wanted = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        assert rules[rule].split() == [f"'sha256-{digest}'" for digest in wanted]


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\u2028\u2029", "&lt;", "中文", "\ud800"])
def test_any_text_can_stand_in_the_data(text: str) -> None:
    written = as_script_json({text: [text]})
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {text: [text]}


def test_a_run_of_80_000_iterations_is_thinned_out_and_keeps_its_peaks() -> None:
    run = runs.long()
    run.metrics.train.columns["loss"][43_210] = 99.0
    page = report(run)
    assert len(page) < 1_500_000
    loss = curve(page, "loss", "loss")
    assert loss[43_211] == 99.0 and min(loss) == 1 and max(loss) == 80_000
    assert "Bound by data loading" in page


def test_a_comparison_says_first_what_differs() -> None:
    one, other = (
        runs.finished(),
        runs.evidence("other-20261123-1111", "FAILED", job={"job": {"name": "deeplabv3p", "lr": 0.1}}),
    )
    page = report(one, other)
    differs, same = page.split("The same in all")
    table = differs[differs.index("What differs") :]
    assert all(word in table for word in ("state", "Best mIoU", ">lr<", "env.OMP_NUM_THREADS"))
    assert ">name<" not in table and ">name<" in same
    assert [series["name"] for series in data_of(page)["charts"][0]["series"]] == [one.run_id]


@pytest.mark.parametrize("count", [0, 1, 1600, 1601, 50_000])
def test_points_that_are_kept_are_in_order_and_have_the_ends(count: int) -> None:
    values: list[float | None] = [float(number % 97) for number in range(count)]
    kept = pick([values], count)
    assert kept == sorted(set(kept)) and len(kept) <= max(1601, 0)
    assert not count or (kept[0] == 0 and kept[-1] == count - 1)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n" + b"\xff" * 40, b"\xff\xd8\xff"]
)
def test_what_is_no_prediction_gets_no_palette(data: bytes) -> None:
    assert with_cityscapes_palette(data) is None


def test_a_prediction_cut_in_the_middle_is_no_reason_to_fail() -> None:
    whole = runs.paletted_png(bytes(160 * 80), 160, 80)
    for end in range(0, len(whole), 7):
        with_cityscapes_palette(whole[:end])
