"""The laptop dies in the middle. What is left is one run or none, and never half of one."""

from __future__ import annotations

import signal
import subprocess
import time

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
        before = set(lab.runs_on_host())
        kill_a_submit(lab, took * (moment + 1) / MOMENTS)
        interrupted = lab.run("ps", "--json").json()["data"][0]
        run_id = lab.submit()
        made = set(lab.runs_on_host()) - before
        # Where the first submit had been confirmed before it was killed, the second is another submit in its own right.
        confirmed = interrupted["run_id"] in made and interrupted["run_id"] != run_id
        assert made == ({run_id, interrupted["run_id"]} if confirmed else {run_id}), f"killed at moment {moment}"
        assert lab.wait(run_id)["state"] == "SUCCEEDED"
        assert list((lab.work_dir / "staging").iterdir()) == []


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
