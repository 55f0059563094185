"""`pull --tensorboard` and `--visualdl`: what the tools themselves read in the files that come of it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobctl.api.event_files import write_event_files
from jobctl.laptop.records import Record
from jobctl.monitor.columns import Metrics
from tests.e2e.lab import Lab, python
from tests.monitor.runs import BEGAN, CAPTURED, long_log, metrics_of, samples

TENSORBOARD = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
found.Reload()
tags = found.Tags()["scalars"]
print(json.dumps({tag: [[one.step, one.wall_time, one.value] for one in found.Scalars(tag)] for tag in tags}))
"""
VISUALDL = """
import json, os, sys
from visualdl import LogReader
found = LogReader(file_path=os.path.join(sys.argv[1], os.listdir(sys.argv[1])[0]))
points = {tag: found.get_data("scalar", tag) for tag in found.get_tags()["scalar"]}
print(json.dumps({tag: [[one.id, one.timestamp / 1000, one.value] for one in points[tag]] for tag in points}))
"""
READERS = {"tensorboard": TENSORBOARD, "visualdl": VISUALDL}
TOOLS = [
    "tensorboard",
    pytest.param(
        "visualdl",
        marks=[
            pytest.mark.skipif(importlib.util.find_spec("visualdl") is None, reason="visualdl is not installed"),
            pytest.mark.filterwarnings("ignore::DeprecationWarning:baidubce", "ignore:invalid escape"),
        ],
    ),
]


def read(tool: str, folder: Path) -> dict[str, list[list[float]]]:
    """By the tool's own reader, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", READERS[tool], str(folder)], check=True, capture_output=True)
    found: dict[str, list[list[float]]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tool_reads_what_paddleseg_printed(tool: str, tmp_path: Path) -> None:
    metrics = Metrics()
    with CAPTURED.open() as lines:
        metrics.feed(metrics_of(lines) + samples(3, (4, 5)))
    record = Record("deeplabv3p-20261123-5f3a", "deeplabv3p", "lab-a", {}, BEGAN)
    assert write_event_files(record, metrics, tmp_path, [tool])
    found = read(tool, tmp_path / tool)
    loss = [
        [x, at, value]
        for x, at, value in zip(metrics.train.x, metrics.train.at, metrics.train.columns["loss"], strict=True)
    ]
    assert found["train/loss"] == [pytest.approx(point, rel=1e-6, abs=1e-3) for point in loss]
    assert [step for step, _, _ in found["eval/miou"]] == metrics.evals.x
    assert found["eval/miou"][-1][2] == pytest.approx(metrics.evals.last("miou"))
    assert {"train/lr", "train/ips", "eval/acc", "class_iou/road", "class_iou/bicycle"} <= found.keys()
    iou = metrics.classes["iou"]
    assert found["class_iou/road"][-1] == pytest.approx([iou.iter, found["class_iou/road"][-1][1], iou.values[0]])
    assert [point[::2] for point in found["card5/load_percent"]] == [[0, 97.0], [10, 97.0], [20, 97.0]]
    assert [step for step, _, _ in found["host/cpu_percent"]] == [0, 10, 20]


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_new_is_added_and_no_point_is_there_twice(tool: str, tmp_path: Path) -> None:
    record = Record("long-20261123-0001", "long", "lab-a", {}, BEGAN)
    rows = metrics_of(long_log(400)).splitlines(keepends=True)
    metrics, found = Metrics(), {}
    for part in (rows[:100], rows[100:], []):
        metrics.feed(b"".join(part))
        (name,) = write_event_files(record, metrics, tmp_path, [tool])
        assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [name]
        found = read(tool, tmp_path / tool)
        assert [step for step, _, _ in found["train/loss"]] == metrics.train.x
    assert len(found["train/loss"]) == 400


def test_a_pull_writes_them_beside_the_rest_and_says_where(local_lab: Lab) -> None:
    local_lab.write_config(python("import sys; print(open(sys.argv[1]).read(), flush=True)", str(CAPTURED)))
    run_id = local_lab.submit()
    assert local_lab.wait(run_id)["state"] == "SUCCEEDED"
    for _ in ("first", "again"):
        (name,) = local_lab.run("pull", run_id, "--tensorboard", "--json").json()["data"]["event_files"]
        folder = local_lab.laptop / "results" / run_id
        assert [f"tensorboard/{path.name}" for path in (folder / "tensorboard").iterdir()] == [name]
        assert len(read("tensorboard", folder / "tensorboard")["train/loss"]) == 12
    assert "\nmetrics          tensorboard/events.out.tfevents." in local_lab.run("pull", run_id, "--tensorboard").out


def test_without_the_writer_nothing_is_pulled_and_the_command_that_installs_it_is_named(local_lab: Lab) -> None:
    hidden = local_lab.laptop / "hidden"
    hidden.mkdir()
    (hidden / "tensorboardX.py").write_text("raise ImportError('not here')")
    local_lab.env["PYTHONPATH"] = f"{hidden}:{Path(__file__).parents[2]}"
    said = local_lab.run("pull", "--tensorboard", expect=2)
    assert "pip install 'jobctl[tensorboard]'" in said.err and not said.out
