"""The command line of doctor: what makes no sense, and a host that is this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, make_laptop

WRONG = {
    "a deep check of nothing": (["--deep"], "the deep check runs in the environment of a config, and none was named"),
    "a value of no config": (["--set", "cards=2"], "--set changes a value of a config, and none was named"),
    "a host that is not in the inventory": (["bx"], "no such host in the inventory"),
    "a config that is not there": (["--config", "nobody.yaml"], "nobody.yaml"),
}


@pytest.fixture
def lab(weird_path: Path) -> Lab:
    laptop = make_laptop(weird_path)
    places = {"work_dir": str(weird_path / "host"), "lease_dir": str(weird_path / "leases")}
    (laptop / "inventory.yaml").write_text(json.dumps({"hosts": {"box": {"transport": "local", **places}}}))
    made = Lab(laptop, weird_path / "host", laptop / "inventory.yaml")
    made.write_config(["true"])
    return made


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_refused(lab: Lab, name: str) -> None:
    options, words = WRONG[name]
    assert words in lab.run("doctor", "-i", str(lab.inventory), *options, expect=2).err
    assert not lab.work_dir.exists(), "no host was asked"


def test_this_machine_is_examined_for_a_job_on_cpus_and_nothing_else_is_left_there(lab: Lab) -> None:
    said = lab.run("doctor", "box", "box", "-i", str(lab.inventory), "--config", "config.yaml", "--json", expect=None)
    (host,) = said.json()["data"]["hosts"]
    checks = {check["name"]: check for check in host["checks"]}
    assert (checks["ssh"]["verdict"], checks["ssh"]["found"]) == ("ok", "this machine itself")
    assert checks["cards"]["verdict"] == "skipped"
    assert checks["pip_index"]["verdict"] == "skipped"
    assert abs(float(checks["clock"]["found"].split()[0])) < 5
    assert "examining box" in said.err
    assert os.listdir(lab.work_dir) == ["host"]
    assert not (lab.work_dir.parent / "leases").exists()


def test_hosts_are_completed_from_the_inventory(lab: Lab) -> None:
    lab.env.update(_JOBCTL_COMPLETE="bash_complete", COMP_CWORD="4")
    lab.env["COMP_WORDS"] = "jobctl doctor -i inventory.yaml b"
    assert "box" in lab.run().out
