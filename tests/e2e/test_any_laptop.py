"""Runs belong to no laptop: two of them act on the same run, and what one has lost its hosts bring back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.e2e.lab import Lab, python

WAIT = "import os, time\nwhile not os.path.exists('../stop'): time.sleep(0.05)"
FAIL_ONCE = "import os, sys; sys.exit(0 if os.path.exists('../fixed') else 3)"


def other_laptop(lab: Lab) -> Lab:
    """A second laptop, which has the same inventory and no records."""
    return replace(lab, env={**lab.env, "JOBCTL_HOME": str(lab.laptop / "records of the other")})


def state(lab: Lab, run_id: str) -> str:
    return str(lab.run("status", run_id, "--json").json()["data"]["state"])


def states_in_ps(lab: Lab) -> dict[str, str]:
    return {row["run_id"]: row["state"] for row in lab.run("ps", "--json").json()["data"]}


def adopt(lab: Lab, *more: str) -> Any:
    return lab.run("adopt", "-i", str(lab.inventory), "--json", *more).json()["data"]["adopted"]


def submitted_by(lab: Lab, run_id: str) -> str:
    return str(json.loads((lab.work_dir / "runs" / run_id / "job.json").read_text())["submitted_by"])


def test_what_one_laptop_cancels_the_other_sees(lab: Lab) -> None:
    lab.write_config(python(WAIT))
    run_id = lab.submit()
    other = other_laptop(lab)
    assert adopt(other) == [run_id]
    other.run("cancel", run_id, "--grace", "1")
    assert state(other, run_id) == "CANCELLED"
    assert states_in_ps(lab) == {run_id: "CANCELLED"}
    lab.run("pull", run_id)


def test_a_failed_run_that_another_laptop_resumed_is_asked_for_again(lab: Lab) -> None:
    lab.write_config(python(FAIL_ONCE))
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "FAILED"
    other = other_laptop(lab)
    assert adopt(other) == [run_id]
    (lab.work_dir / "runs" / run_id / "fixed").touch()
    other.run("resume", run_id)
    assert other.wait(run_id)["state"] == "SUCCEEDED"
    assert states_in_ps(lab) == {run_id: "FAILED"}  # nothing else is on that host, so it was not asked
    assert state(lab, run_id) == "SUCCEEDED"


def test_ps_asks_for_ended_runs_where_it_asks_anyway(lab: Lab) -> None:
    lab.write_config(python(FAIL_ONCE))
    failed = lab.submit()
    assert lab.wait(failed)["state"] == "FAILED"
    other = other_laptop(lab)
    adopt(other)
    (lab.work_dir / "runs" / failed / "fixed").touch()
    other.run("resume", failed)
    assert other.wait(failed)["state"] == "SUCCEEDED"
    lab.write_config(python(WAIT))
    waiting = lab.submit()
    found = states_in_ps(lab)
    assert found[failed] == "SUCCEEDED"
    assert found[waiting] in ("QUEUED", "RUNNING")
    lab.run("cancel", waiting)


def test_records_that_are_damaged_or_lost_are_written_anew(lab: Lab) -> None:
    lab.write_config(python("pass"))
    damaged, lost, sound = lab.submit(), lab.submit(), lab.submit()
    for run_id in (damaged, lost, sound):
        lab.wait(run_id)
    records = lab.laptop / "records" / "runs"
    (records / f"{damaged}.json").write_bytes((records / f"{damaged}.json").read_bytes()[:40])
    (records / f"{lost}.json").unlink()
    said = lab.run("ps")
    assert sound in said.out
    assert f"1 record of this machine is damaged ({damaged}); written anew by: jobctl adopt -i INVENTORY" in said.err
    assert sorted(adopt(lab)) == sorted([damaged, lost])
    said = lab.run("ps")
    assert all(run_id in said.out for run_id in (damaged, lost, sound))
    assert "damaged" not in said.err


def test_runs_are_adopted_by_who_submitted_them(lab: Lab) -> None:
    lab.write_config(python("pass"))
    run_id = lab.submit()
    user, _, machine = submitted_by(lab, run_id).rpartition("@")
    other = other_laptop(lab)
    assert adopt(other, "--by", "somebody-else") == []
    assert adopt(other, "--by", f"{user}@another-{machine}") == []
    assert adopt(other, "--by", user) == [run_id]
