"""Pulling while the run goes on; and what no pull may bring."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, python

SPEAK_UNTIL_TOLD = """
import os, sys
number = 0
while not os.path.exists(sys.argv[1]):
    number += 1
    print("line", number, "x" * 200, flush=True)
    with open("output/part", "w") as file:
        file.write(str(number) * 1000)
    os.replace("output/part", "output/latest.bin")
"""


def test_a_run_that_goes_on_is_pulled_again_and_again(lab: Lab) -> None:
    """The log grows: it arrives as far as it was. A checkpoint is replaced all the time: it arrives whole or not."""
    stop = lab.laptop / "stop"
    lab.write_config(python(SPEAK_UNTIL_TOLD, str(stop)), artifacts=[{"name": "latest", "path": "output/latest.bin"}])
    run_id = lab.submit()
    checkpoint = lab.work_dir / "runs" / run_id / "output" / "latest.bin"
    log = lab.work_dir / "runs" / run_id / "logs" / "train.log"
    try:
        while not checkpoint.exists():
            pass
        for _ in range(2):
            lab.run("pull", run_id, "--to", "there")
            pulled = (lab.laptop / "there" / "logs" / "train.log").read_bytes()
            assert pulled and log.read_bytes().startswith(pulled)
            for copy in (lab.laptop / "there").glob("output/*"):
                text = copy.read_text()
                assert text[: len(text) // 1000] * 1000 == text
            assert json.loads((lab.laptop / "there" / "job.json").read_text())["run_id"] == run_id
            assert not list((lab.laptop / "there").rglob("*.part"))
    finally:
        stop.touch()
    lab.wait(run_id)
    lab.run("pull", run_id, "--to", "there")
    assert (lab.laptop / "there" / "output" / "latest.bin").read_bytes() == checkpoint.read_bytes()
    assert (lab.laptop / "there" / "logs" / "train.log").read_bytes() == log.read_bytes()


LEAK = """
import os, sys
log = os.path.join(os.environ["JOBCTL_RUN_DIR"], "log", "train-1")
os.makedirs(log, exist_ok=True)
for name in ("envlog.0", "workerlog.0", "workerlog.0.env"):
    open(os.path.join(log, name), "w").write("TOKEN=s3" + "cr3t" if "env" in name else "fine")
os.symlink("../log/train-1", "output/x")
os.symlink("../log/train-1/envlog.0", "output/y")
os.symlink("../secrets.json", "output/z")
os.symlink("/etc/passwd", "output/w")
open("output/model", "w").write("weights")
"""


@pytest.mark.parametrize("pattern", ["output/*", "output/**", "output/x/*", "*", "**", "log/**"])
def test_no_link_leads_a_pull_to_the_secrets(local_lab: Lab, pattern: str) -> None:
    lab = local_lab
    lab.write_config(python(LEAK), artifacts=[{"name": "all", "path": pattern}])
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
    (lab.work_dir / "runs" / run_id / "secrets.json").write_text('{"TOKEN": "s3cr3t"}')
    lab.run("pull", run_id, "--to", "there")
    brought = {path: path.read_text() for path in Path(lab.laptop, "there").rglob("*") if path.is_file()}
    assert not [path for path, text in brought.items() if "s3cr3t" in text or "root:" in text]
    assert lab.laptop / "there" / "log" / "train-1" / "workerlog.0" in brought


def test_a_run_that_left_thousands_of_files_is_pulled(local_lab: Lab) -> None:
    name = "a" * 100
    make = f"for number in range(1100): open('output/%04d-{name}' % number, 'w').write(str(number))"
    local_lab.write_config(python(make), artifacts=[{"name": "pieces", "path": "output/*"}])
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    told = local_lab.run("pull", run_id, "--to", "there", "--only", "pieces", "--json").json()["data"]
    assert len(told["artifacts"]["pieces"]) == 1100
    assert (local_lab.laptop / "there" / "output" / f"1099-{name}").read_text() == "1099"
