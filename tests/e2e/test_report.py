"""`jobctl report` on real runs: fresh from the host, from what is here when that is away, and what goes wrong."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import Lab, python
from tests.monitor.runs import CAPTURED, paletted_png

SAY = "import sys; print(open(sys.argv[1]).read(), flush=True)"
DRAW = """
import os, sys, shutil
os.makedirs("output/infer_image")
shutil.copy(sys.argv[1], "output/frankfurt 中.png")
shutil.copy(sys.argv[1], "output/infer_image/frankfurt 中.png")
"""
PICTURES = [{"name": "prediction", "path": "output/*.png"}, {"name": "infer_image", "path": "output/infer_image/*"}]


@pytest.fixture
def trained(lab: Lab) -> tuple[Lab, str]:
    """A run whose training printed what PaddleSeg printed, and which left a picture."""
    (lab.laptop / "picture.png").write_bytes(paletted_png(bytes(range(16)) * 8, 16, 8))
    steps = [python(SAY, str(CAPTURED)), python(DRAW, str(lab.laptop / "picture.png"))]
    lab.write_config(*steps, artifacts=PICTURES)
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
    return lab, run_id


def losses(file: Path) -> list[float]:
    page = file.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    charts: list[dict[str, Any]] = json.loads(found[1])["charts"]
    return next((chart["series"][0]["y"] for chart in charts if chart["id"] == "loss"), [])


PRINTED = [float(loss) for loss in re.findall(r"loss: ([\d.]+)", CAPTURED.read_text())]


def test_a_report_has_the_numbers_and_the_picture_of_the_run(trained: tuple[Lab, str]) -> None:
    lab, run_id = trained
    file = lab.laptop / lab.run("report").out.strip()
    assert file.name == f"report-{run_id}.html"
    page = file.read_text(encoding="utf-8")
    assert losses(file) == PRINTED and len(PRINTED) == 12
    assert page.count("data:image/png;base64,") == 2 and "frankfurt 中.png" in page
    assert ">0.2194<" in page, "the best mIoU"
    told = lab.run("report", run_id, "-o", "named.html", "--json").json()["data"]
    assert (told["file"], told["run_ids"], told["old"]) == ("named.html", [run_id], [])
    assert told["size_bytes"] == (lab.laptop / "named.html").stat().st_size


def test_when_the_host_is_away_the_report_is_made_of_what_was_seen(trained: tuple[Lab, str]) -> None:
    lab, run_id = trained
    lab.run("report", run_id, "-o", "before.html")
    _lose_the_host(lab)
    said = lab.run("report", run_id, "-o", "after.html", "--json")
    assert said.json()["data"]["old"] == [run_id]
    assert losses(lab.laptop / "after.html") == PRINTED
    page = (lab.laptop / "after.html").read_text(encoding="utf-8")
    assert "could not be asked" in page and page.count("data:image/png;base64,") == 2


def test_a_run_that_was_only_pulled_can_be_reported_with_no_host(trained: tuple[Lab, str]) -> None:
    lab, run_id = trained
    lab.run("pull", run_id)
    _lose_the_host(lab)
    lab.run("report", run_id, "-o", "pulled.html")
    assert losses(lab.laptop / "pulled.html") == PRINTED
    assert (lab.laptop / "pulled.html").read_text(encoding="utf-8").count("data:image/png;base64,") == 2


def _lose_the_host(lab: Lab) -> None:
    """What the record says of it leads nowhere any more."""
    for file in (lab.laptop / "records" / "runs").glob("*.json"):
        record = json.loads(file.read_text())
        record["host"] |= {"transport": "ssh", "address": "127.0.0.1", "port": 1, "connect_timeout_s": 5}
        file.write_text(json.dumps(record))


def test_several_runs_are_compared(local_lab: Lab) -> None:
    lab = local_lab
    for text in ("[TRAIN] epoch: 1, iter: 1/2, loss: 2.5, lr: 0.1", "[TRAIN] epoch: 1, iter: 1/2, loss: 1.5, lr: 0.2"):
        lab.write_config(python(f"print({text!r})"))
        lab.wait(lab.submit())
    newest, oldest = (row["run_id"] for row in lab.run("ps", "--json").json()["data"])
    file = lab.laptop / lab.run("report", newest, oldest, newest).out.strip()
    page = file.read_text(encoding="utf-8")
    assert file.name == f"report-{newest}-and-1-more.html"
    assert "What differs" in page and "1.5000" in page and "2.5000" in page


def test_curves_for_a_paper(trained: tuple[Lab, str]) -> None:
    lab, run_id = trained
    lines = lab.run("report", run_id, "--png", "for the paper").out.splitlines()
    names = {Path(line).name for line in lines[1:]}
    assert {f"{run_id}-loss.png", f"{run_id}-quality.png"} <= names
    for name in names:
        assert (lab.laptop / "for the paper" / name).read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_command_that_installs_it_is_told(trained: tuple[Lab, str]) -> None:
    lab, run_id = trained
    (lab.laptop / "missing" / "matplotlib").mkdir(parents=True)
    (lab.laptop / "missing" / "matplotlib" / "__init__.py").write_text("raise ImportError('no matplotlib here')\n")
    lab.env["PYTHONPATH"] = str(lab.laptop / "missing")
    said = lab.run("report", run_id, "--png", "out", expect=2)
    assert "pip install matplotlib" in said.err and not (lab.laptop / f"report-{run_id}.html").exists()


def test_what_cannot_be_written_is_told_in_one_message(trained: tuple[Lab, str]) -> None:
    lab, run_id = trained
    assert "a folder stands" in lab.run("report", run_id, "-o", ".", expect=2).err
    assert "cannot write the report" in lab.run("report", run_id, "-o", "no/such/folder.html", expect=2).err
    assert lab.run("report", "nosuch", expect=5).err
    shutil.rmtree(lab.laptop / "records" / "metrics")
    (lab.laptop / "records" / "metrics").write_text("a file in the place of the copies")
    assert "cannot keep the metrics" in lab.run("report", run_id, expect=2).err
