"""`jobctl diagnose`: of runs, of files; for people and as JSON."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, python

FULL = "OSError: [Errno 28] No space left on device: '/data/output/iter_1000'"


def test_a_run_that_failed_is_explained(lab: Lab) -> None:
    lab.write_config(python("raise OSError(28, 'No space left on device')"))
    run_id = lab.submit()
    lab.wait(run_id)
    data = lab.run("diagnose", run_id, "--json").json()["data"]
    assert (data["run_id"], data["state"], data["established"]) == (run_id, "FAILED", True)
    first = data["causes"][0]
    assert (first["category"], first["sure"]) == ("disk_full_or_io", "established")
    assert "OSError: [Errno 28] No space left on device" in first["evidence"]
    assert first["remedy"]
    assert first["source"].startswith("https://")
    told = lab.run("diagnose").out  # the newest run
    assert "1. A disk or a quota is full  [disk_full_or_io, established]" in told
    hint = lab.run("status", run_id)
    assert f"next: jobctl diagnose {run_id}" in hint.err


def test_a_failure_that_nobody_knows_is_said_to_be_unknown(local_lab: Lab) -> None:
    local_lab.write_config(python("raise LookupError('the moon is in the wrong house')"))
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    data = local_lab.run("diagnose", run_id, "--json").json()["data"]
    assert not data["established"]
    assert (data["causes"][0]["category"], data["causes"][0]["sure"]) == ("other", "possible")
    assert "LookupError: the moon is in the wrong house" in data["causes"][0]["evidence"]
    assert local_lab.run("diagnose", run_id).out.lower().count("not established") == 1


def test_a_run_that_succeeded_has_nothing_to_explain(local_lab: Lab) -> None:
    local_lab.write_config(python("print('fine')"))
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    assert "it has succeeded" in local_lab.run("diagnose", run_id).out
    assert local_lab.run("diagnose", run_id, "--json").json()["data"]["causes"] == []


def write_logs(folder: Path) -> None:
    folder.mkdir()
    (folder / "workerlog.0").write_text("EI0006: Getting socket times out\nABORT!!! Out of all 2 trainers\n")
    (folder / "workerlog.1").write_text(FULL + "\n")
    (folder / "envlog.0").write_text("TOKEN=precious NPU out of memory\n")


def test_log_files_a_folder_of_them_and_standard_input_are_read(local_lab: Lab) -> None:
    folder = local_lab.laptop / "log of $(a friend) 文"
    write_logs(folder)
    one, two = str(folder / "workerlog.0"), str(folder / "workerlog.1")
    for words in ([one, two], [str(folder)]):
        data = local_lab.run("diagnose", *words, "--json").json()["data"]
        assert (data["run_id"], data["causes"][0]["category"]) == (None, "disk_full_or_io")
        assert sorted(data["read"]) == [one, two]  # never Paddle's dumps of the environment
    done = subprocess.run(
        local_lab.argv("diagnose", "-"), input=FULL, env=local_lab.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0
    assert FULL in done.stdout


@pytest.mark.parametrize("how", ["-", "/dev/stdin"])
def test_of_a_pipe_the_end_counts_too(local_lab: Lab, how: str) -> None:
    """As `zcat train.log.gz | jobctl diagnose -` and `jobctl diagnose <(zcat train.log.gz)` give it."""
    healthy = "[TRAIN] epoch: 1, iter: 10/20, loss: 0.0500, lr: 0.01\n" * 1_300_000
    assert len(healthy) > 64 << 20
    done = subprocess.run(
        local_lab.argv("diagnose", how),
        input=healthy + FULL,
        env=local_lab.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert FULL in done.stdout


def test_what_is_no_log_is_said_in_one_line(local_lab: Lab) -> None:
    empty = local_lab.laptop / "empty"
    empty.mkdir()
    (local_lab.laptop / "nothing.log").write_text("")
    for words, said in (
        (["nosuch.log"], "no such log file"),
        (["config.yaml", "nosuch"], "no such log file"),
        ([str(empty)], "there are no logs in this folder"),
        (["nothing.log"], "there is nothing in it to diagnose"),
    ):
        local_lab.write_config(python("pass"))
        assert said in local_lab.run("diagnose", *words, expect=2).err
    assert "no such run" in local_lab.run("diagnose", "nosuch", expect=5).err
