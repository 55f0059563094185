"""Clearing up hosts from a laptop."""

from __future__ import annotations

import json
import shutil
import socket

import pytest

from tests.e2e.lab import Lab, python

SAVE = "open('output/model', 'w').write('weights')"


def gc(lab: Lab, *args: str, expect: int = 0) -> dict[str, bool]:
    """Name -> whether it goes."""
    said = lab.run("gc", "-i", str(lab.inventory), "--older-than", "0d", *args, "--json", expect=expect)
    return {item["name"]: item["remove"] for item in said.json()["data"]["items"]}


def test_what_was_pulled_is_cleared_away_and_what_was_not_stays(lab: Lab) -> None:
    lab.write_config(python(SAVE), artifacts=[{"name": "model", "path": "output/model"}])
    pulled, not_pulled, partly = (lab.submit() for _ in range(3))
    for run_id in (pulled, not_pulled, partly):
        assert lab.wait(run_id)["state"] == "SUCCEEDED"
    lab.run("pull", pulled)
    lab.run("pull", partly, "--only", "model")
    mark = json.loads((lab.work_dir / "runs" / pulled / "pulled.json").read_text())
    assert mark["by"] == socket.gethostname()
    assert gc(lab)[f"runs/{pulled}"]
    assert lab.runs_on_host() == sorted((pulled, not_pulled, partly)), "nothing goes without --delete"
    found = gc(lab, "--delete")
    assert [found[f"runs/{run_id}"] for run_id in (pulled, not_pulled, partly)] == [True, False, False]
    assert lab.runs_on_host() == sorted((not_pulled, partly))
    assert (lab.laptop / "results" / pulled / "output" / "model").read_text() == "weights"
    lab.run("pull", partly)
    assert gc(lab)[f"runs/{partly}"]
    assert lab.wait(lab.submit())["state"] == "SUCCEEDED", "the next submit misses nothing"


def test_what_is_shown_says_what_stays_and_why(local_lab: Lab) -> None:
    local_lab.write_config(python(SAVE))
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    out = local_lab.run("gc", "-i", str(local_lab.inventory), "--older-than", "0d", "--unpulled").out
    assert f"remove  runs/{run_id}" in " ".join(out.split()).replace("remove ", "remove  ")
    assert "--delete does it" in out
    out = local_lab.run("gc", "-i", str(local_lab.inventory)).out
    assert "younger than the limit" in out
    assert "nothing to remove" in out


@pytest.mark.parametrize("age", ["3x", "", "-1d", "1 d d", "30", "1e3d"])
def test_an_age_that_is_none_is_told(local_lab: Lab, age: str) -> None:
    said = local_lab.run("gc", "-i", str(local_lab.inventory), f"--older-than={age}", expect=2)
    assert "such as 12h or 30d" in said.err
    assert not local_lab.work_dir.exists()


def test_a_host_that_does_not_answer_stops_no_other(local_lab: Lab) -> None:
    local_lab.write_config(python(SAVE))
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    hosts = json.loads(local_lab.inventory.read_text())
    hosts["hosts"] = {"away": {"address": "127.0.0.1", "port": 1, "user": "alice"}, **hosts["hosts"]}
    local_lab.inventory.write_text(json.dumps(hosts))
    said = local_lab.run("gc", "-i", str(local_lab.inventory), "--json", expect=3)
    data = said.json()["data"]
    assert list(data["errors"]) == ["away"]
    assert f"runs/{run_id}" in [item["name"] for item in data["items"]]
    assert "away" in said.err


def test_a_run_that_was_cleared_away_is_told_to_be_gone(local_lab: Lab) -> None:
    local_lab.write_config(python(SAVE))
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    local_lab.run("pull", run_id)
    gc(local_lab, "--delete")
    shutil.rmtree(local_lab.laptop / "results")
    assert "no run" in local_lab.run("pull", run_id, expect=5).err
