"""The laptop dies in the middle. What is left is one run or none, and never half of one."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import Lab, python

MOMENTS = 7


def kill_a_submit(lab: Lab, after_s: float) -> None:
    """SIGKILL a submit `after_s` after its start, or find it finished."""
    argv = lab.argv("submit", "config.yaml", "-i", str(lab.inventory))
    process = subprocess.Popen(
        argv, cwd=lab.laptop, env=lab.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


def how_long_a_submit_takes(lab: Lab) -> float:
    begin = time.monotonic()
    run_id = lab.submit()
    took = time.monotonic() - begin
    lab.wait(run_id)
    return took


@pytest.mark.slow
def test_submit_after_a_killed_submit_leaves_exactly_one_run(ssh_lab: Lab) -> None:
    lab = ssh_lab
    lab.write_config(python("print('ran')"))
    took = how_long_a_submit_takes(lab)
    for moment in range(MOMENTS):
        (lab.laptop / "code" / "new.txt").write_text(f"so that something is sent, {moment}")
        before, known = set(lab.runs_on_host()), set(records(lab))
        kill_a_submit(lab, took * (moment + 1) / MOMENTS)
        came_to_its_end = [record for run_id, record in records(lab).items() if run_id not in known and record["told"]]
        run_id = lab.submit()
        made = set(lab.runs_on_host()) - before
        # A submit that had told its user was over before the kill; the second is then another in its own right.
        assert made == {run_id, *(record["run_id"] for record in came_to_its_end)}, f"killed at moment {moment}"
        assert lab.wait(run_id)["state"] == "SUCCEEDED"
        assert list((lab.work_dir / "staging").iterdir()) == []


def records(lab: Lab) -> dict[str, Any]:
    """What the laptop remembers, by run id."""
    return {path.stem: json.loads(path.read_text()) for path in (lab.laptop / "records" / "runs").glob("*.json")}


def test_looking_and_a_host_that_refuses_do_not_make_a_cut_submit_a_second_run(ssh_lab: Lab, tmp_path: Path) -> None:
    lab = ssh_lab
    gate = tmp_path / "gate"
    lab.write_config(python("import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.05)", str(gate)))
    run_id = lab.submit()
    forget_the_end(lab, run_id)
    lab.run("ps")
    lab.run("status", run_id)
    inventory = lab.inventory.read_text()
    refusing = json.loads(inventory)
    refusing["hosts"]["box"]["identity_file"] = str(tmp_path / "no such key")
    lab.inventory.write_text(json.dumps(refusing))
    lab.run("submit", "config.yaml", "-i", str(lab.inventory), expect=3)
    lab.inventory.write_text(inventory)
    assert lab.submit() == run_id
    assert lab.runs_on_host() == [run_id]
    gate.touch()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
    assert lab.submit() != run_id, "what is over and told is not taken over"
    lab.wait(next(iter(set(lab.runs_on_host()) - {run_id})))


def test_a_cut_submit_whose_run_has_ended_meanwhile_is_told_of_that_run(local_lab: Lab) -> None:
    lab = local_lab
    lab.write_config(python("print('ran')"))
    run_id = lab.submit()
    lab.wait(run_id)
    forget_the_end(lab, run_id)
    lab.run("ps")
    assert lab.submit() == run_id
    assert lab.runs_on_host() == [run_id]


def forget_the_end(lab: Lab, run_id: str) -> None:
    """As if the submit had been killed while the host's answer was under way."""
    path = lab.laptop / "records" / "runs" / f"{run_id}.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "told": False, "confirmed": False, "status": None, "seen_at": None}))


@pytest.mark.slow
def test_adopt_after_a_killed_submit_leaves_one_run_or_none(ssh_lab: Lab) -> None:
    lab = ssh_lab
    lab.write_config(python("print('ran')"))
    took = how_long_a_submit_takes(lab)
    for moment in range(MOMENTS):
        (lab.laptop / "code" / "new.txt").write_text(f"so that something is sent, {moment}")
        before = set(lab.runs_on_host())
        kill_a_submit(lab, took * (moment + 1) / MOMENTS)
        lab.run("adopt", "-i", str(lab.inventory))
        made = set(lab.runs_on_host()) - before
        assert len(made) <= 1, f"killed at moment {moment}"
        assert {row["run_id"] for row in lab.run("ps", "--json").json()["data"]} == set(lab.runs_on_host())
        for run_id in made:
            assert lab.wait(run_id)["state"] == "SUCCEEDED"


def test_two_submits_of_the_same_thing_at_the_same_time_are_two_runs(local_lab: Lab) -> None:
    lab = local_lab
    lab.write_config(python("print('ran')"))
    argv = lab.argv("submit", "config.yaml", "-i", str(lab.inventory))
    both = [
        subprocess.Popen(argv, cwd=lab.laptop, env=lab.environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ids = {process.communicate()[0].strip() for process in both}
    assert len(ids) == 2
    assert set(lab.runs_on_host()) == ids
    assert {lab.wait(run_id)["state"] for run_id in ids} == {"SUCCEEDED"}
