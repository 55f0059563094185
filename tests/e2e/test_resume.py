"""`jobctl resume` from the laptop: the same run goes on, or the reason why not."""

from __future__ import annotations

import json

import yaml

from tests.e2e.lab import Lab, python

TRAINING = """
import os, pathlib, pickle, sys
start = int(sys.argv[2].split("_")[-1]) if "--resume_model" in sys.argv else 0
for number in range(start + 1, 7):
    print(f"[TRAIN] epoch: 1, iter: {number}/6, loss: 1.0", flush=True)
    if number % 2 == 0:
        folder = pathlib.Path("output") / f"iter_{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.pdparams").write_bytes(pickle.dumps(number, protocol=4))
    if number == 5 and not start:
        sys.exit("RuntimeError: lost in the fifth, with " + os.environ.get("TOKEN", ""))
"""
"""Fails at the fifth of six iterations the first time."""


def write_config(lab: Lab, **values: object) -> None:
    config = {"template": "training", "name": "trial", "values": {"steps": [python(TRAINING)], **values}}
    (lab.laptop / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def failed_run(lab: Lab, **values: object) -> str:
    write_config(lab, **values)
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "FAILED"
    return run_id


def metrics(lab: Lab, run_id: str) -> list[int]:
    text = (lab.work_dir / "runs" / run_id / "metrics.jsonl").read_text()
    return [line["iter"] for line in map(json.loads, text.splitlines()) if line["kind"] == "train"]


def test_a_failed_run_goes_on_from_its_newest_checkpoint(lab: Lab) -> None:
    run_id = failed_run(lab)
    said = lab.run("resume", run_id)
    assert said.out.startswith(f"{run_id}: ")
    status = lab.wait(run_id)
    assert (status["state"], status["resumes"], status["stages"][0]["resumed_from"]) == ("SUCCEEDED", 1, "iter_4")
    assert metrics(lab, run_id) == [1, 2, 3, 4, 5, 5, 6]
    assert lab.runs_on_host() == [run_id]


def test_what_is_refused_says_why_and_ends_with_2(lab: Lab) -> None:
    run_id = failed_run(lab)
    cut = lab.work_dir / "runs" / run_id / "output" / "iter_4" / "model.pdparams"
    cut.write_bytes(cut.read_bytes()[:-1])
    said = lab.run("resume", run_id, "--checkpoint", "iter_4", expect=2)
    assert "iter_4 is not complete: model.pdparams is cut off or damaged" in said.err
    assert "complete checkpoints: iter_2" in said.err
    assert lab.run("status", run_id, "--json").json()["data"]["resumes"] == 0
    lab.run("resume", run_id, "--json")
    assert lab.wait(run_id)["stages"][0]["resumed_from"] == "iter_2"
    said = lab.run("resume", run_id, expect=2)
    assert "it has succeeded: there is nothing to go on with" in said.err


def test_a_secret_is_taken_from_the_environment_again(lab: Lab) -> None:
    lab.env["TOKEN"] = "xyzzy-1"
    run_id = failed_run(lab, secrets=["TOKEN"])
    del lab.env["TOKEN"]
    assert "export TOKEN=..." in lab.run("resume", run_id, expect=2).err
    lab.env["TOKEN"] = "xyzzy-2"
    lab.run("resume", run_id)
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
    folder = lab.work_dir / "runs" / run_id
    assert [path.name for path in folder.glob("*.json*") if b"xyzzy" in path.read_bytes()] == []


def test_two_laptops_resume_a_run_once(lab: Lab) -> None:
    run_id = failed_run(lab, after=[python("import time; time.sleep(600)")])
    lab.run("resume", run_id)
    other = lab.laptop / "other records"
    lab.env["JOBCTL_HOME"] = str(other)
    lab.run("adopt", "-i", str(lab.inventory))
    assert "it is alive" in lab.run("resume", run_id, expect=2).err
    lab.run("cancel", run_id, "--grace", "0")
    assert lab.run("status", run_id, "--json").json()["data"]["resumes"] == 1
