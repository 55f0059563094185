"""Submits to a host whose cards others have: the whole command line, with a fake npu-smi for the cards."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.lab import Lab
from tests.host.runs import read_lines
from tests.host.smi import FakeSmi

TEMPLATE = """\
version: 1
name: {{ name }}
device: {{ device }}
cards: 4
code: {path: code}
stages:
  - {name: train, steps: [{argv: [sleep, {{ seconds }}]}]}
"""
VALUES = """\
description: Holds four cards for a while.
values:
  device: {type: string, default: npu, help: npu or cpu}
  seconds: {type: integer, default: 0, help: how long}
"""


@pytest.fixture
def crowded(local_lab: Lab, tmp_path: Path) -> Lab:
    """A host with eight cards, and a config for a run that wants four."""
    smi = FakeSmi(tmp_path / "smi bin")
    smi.show(list(range(8)))
    folder = local_lab.laptop / "templates" / "holds"
    folder.mkdir()
    (folder / "job.yaml.j2").write_text(TEMPLATE)
    (folder / "template.yaml").write_text(VALUES)
    (local_lab.laptop / "config.yaml").write_text("template: holds\nname: holds\n")
    local_lab.env["PATH"] = f"{smi.folder}:{os.environ['PATH']}"
    return local_lab


def test_a_submit_that_may_not_wait_says_who_has_the_cards(crowded: Lab) -> None:
    holder = crowded.submit("--exclusive", "--no-wait", "--set", "seconds=3600")
    assert crowded.run("status", holder, "--json").json()["data"]["cards"] == [0, 1, 2, 3]
    said = crowded.run("submit", "config.yaml", "-i", str(crowded.inventory), "--no-wait", "--json", expect=3)
    error = said.json()["error"]
    assert error["kind"] == "NoCardsFree"
    assert f"0, 1, 2, 3, 4, 5, 6, 7 held by {holder} (" in error["what"]
    refused = error["next_command"].split()[-1]
    status = crowded.run("status", refused, "--json").json()["data"]
    assert (status["state"], status["verdict"]["kind"]) == ("FAILED", "cards")
    crowded.run("cancel", holder)


def test_a_run_waits_as_long_as_it_is_told_and_for_the_cards_it_is_told(crowded: Lab) -> None:
    run_id = crowded.submit("--cards", "4-7", "--wait", "2h")
    assert crowded.wait(run_id)["cards"] == [4, 5, 6, 7]
    job = json.loads((crowded.work_dir / "runs" / run_id / "job.json").read_text())
    assert (job["cards_wanted"], job["exclusive"], job["wait_s"]) == ([4, 5, 6, 7], False, 7200)
    assert Path(job["lease_dir"]).is_dir()


WRONG = {
    "a time that is none": (["--wait", "soon"], "'soon' is not a time, such as 2h, 30m, 45s or 1d"),
    "both": (["--wait", "2h", "--no-wait"], "--wait and --no-wait contradict each other"),
    "exclusive on the CPU": (["--exclusive", "--set", "device=cpu"], "holds no cards; leave --exclusive out"),
    "a wait on the CPU": (["--no-wait", "--set", "device=cpu"], "holds no cards; leave --no-wait out"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(crowded: Lab, name: str) -> None:
    options, words = WRONG[name]
    said = crowded.run("submit", "config.yaml", "-i", str(crowded.inventory), *options, expect=2)
    assert words in said.err
    assert crowded.runs_on_host() == []


def test_two_submits_at_the_same_instant_for_the_same_cards_run_one_after_the_other(crowded: Lab) -> None:
    argv = crowded.argv("submit", "config.yaml", "-i", str(crowded.inventory), "--cards", "0-3", "--set", "seconds=1")
    submits = [
        subprocess.Popen(argv, cwd=crowded.laptop, env=crowded.environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    runs = [submit.communicate()[0].strip() for submit in submits]
    assert len(set(runs)) == 2
    turns = []
    for run_id in runs:
        status = crowded.wait(run_id)
        assert (status["state"], status["cards"]) == ("SUCCEEDED", [0, 1, 2, 3])
        events = read_lines(crowded.work_dir / "runs" / run_id / "events.jsonl")
        since = next(line["since"] for line in events if line["event"] == "cards_held")
        turns.append((since, next(line["at"] for line in events if line["event"] == "stage_ended")))
    first, second = sorted(turns)
    assert first[1] <= second[0]
