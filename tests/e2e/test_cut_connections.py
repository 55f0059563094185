"""The connection dies while somebody looks or pulls: no byte is lost, none comes twice, and the run does not notice."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, killed_on_failure, python
from tests.sshd import Sshd, running_sshd

SPEAK = """
import sys, time
for number in range(400):
    print(number, "line with \\u4e2d\\u6587 and a tail" * 3, flush=True)
    time.sleep(0.005)
"""

SPEAK_IN_TURNS = """
import os, sys, time
for turn in range(4):
    for number in range(200):
        print(turn, number, "line with \\u4e2d\\u6587 and a tail" * 3)
    print("end of turn", turn, flush=True)
    while not os.path.exists(os.path.join(sys.argv[1], "go %d" % turn)):
        time.sleep(0.01)
"""
"""Waits after each turn until it is told to go on."""


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server whose sessions may be killed."""
    with running_sshd(tmp_path / "own sshd") as server:
        yield server


def cut(sshd: Sshd) -> None:
    """Kill every session, as a network that goes away does; what runs on the host is left alone."""
    for pid in sshd.processes():
        with suppress(OSError):
            if b"sshd" in Path(f"/proc/{pid}/comm").read_bytes():
                os.kill(pid, signal.SIGKILL)


def test_a_followed_log_arrives_whole_although_the_connection_is_cut_again_and_again(ssh_lab: Lab, sshd: Sshd) -> None:
    lab = ssh_lab
    lab.inventory.write_text(sshd.inventory("box", work_dir=str(lab.work_dir)))
    signals = lab.laptop / "signals"
    signals.mkdir()
    lab.write_config(python(SPEAK_IN_TURNS, str(signals)))
    run_id = lab.submit()
    received = bytearray()
    with (
        subprocess.Popen(
            lab.argv("logs", "-f", run_id),
            cwd=lab.laptop,
            env=lab.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as follower,
        killed_on_failure(follower),
    ):
        assert follower.stdout and follower.stderr
        for turn in range(4):
            while f"end of turn {turn}\n".encode() not in received:
                piece = os.read(follower.stdout.fileno(), 4096)
                assert piece, "the follower ended too early"
                received += piece
            if turn < 3:
                cut(sshd)
            (signals / f"go {turn}").touch()
        while piece := os.read(follower.stdout.fileno(), 4096):
            received += piece
        told = follower.stderr.read().decode()
    assert follower.returncode == 0, told
    assert told.count("connecting again") >= 3
    assert bytes(received) == (lab.work_dir / "runs" / run_id / "logs" / "train.log").read_bytes()


def test_the_run_outlives_every_session_and_the_server_itself(ssh_lab: Lab, sshd: Sshd) -> None:
    lab = ssh_lab
    lab.inventory.write_text(sshd.inventory("box", work_dir=str(lab.work_dir)))
    lab.write_config(python(SPEAK))
    run_id = lab.submit()
    sshd.stop()
    row = lab.run("ps", "--json").json()["data"][0]
    assert row["state"] not in ("FAILED", "LOST"), "not being able to ask is not a failure"
    assert row["error"]["kind"] == "ConnectError" and row["age_s"] is not None
    sshd.start()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"


def test_a_pull_that_is_cut_goes_on_where_it_stopped(ssh_lab: Lab, sshd: Sshd) -> None:
    lab = ssh_lab
    lab.inventory.write_text(sshd.inventory("box", work_dir=str(lab.work_dir)))
    size = 40_000_000
    make = f"import os; open('output/large.bin', 'wb').write(os.urandom({size}))"
    lab.write_config(python(make), artifacts=[{"name": "large", "path": "output/large.bin"}])
    run_id = lab.submit()
    lab.wait(run_id)
    argv = lab.argv("pull", run_id, "--to", "there", "--only", "large")
    process = subprocess.Popen(argv, cwd=lab.laptop, env=lab.environment(), stderr=subprocess.DEVNULL)
    folder = lab.laptop / "there" / "output"
    while process.poll() is None:  # killed as soon as a good part has arrived
        parts = list(folder.glob("*.part"))
        if parts and parts[0].stat().st_size > size // 4:
            process.kill()
            process.wait()
    assert not (folder / "large.bin").exists(), "under its final name a file is complete"
    kept = next(folder.glob("*.part")).stat().st_size
    assert kept > size // 4
    lab.run("pull", run_id, "--to", "there", "--only", "large")
    there = lab.work_dir / "runs" / run_id / "output" / "large.bin"
    assert _hash(folder / "large.bin") == _hash(there)
    assert not list(folder.glob("*.part"))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_ctrl_c_detaches_from_a_log_and_the_run_goes_on(ssh_lab: Lab, tmp_path: Path) -> None:
    lab = ssh_lab
    gate = tmp_path / "gate"
    wait = "import os, sys, time\nprint('up', flush=True)\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.05)"
    lab.write_config(python(wait, str(gate)))
    run_id = lab.submit()
    with (
        subprocess.Popen(
            lab.argv("logs", "-f", run_id),
            cwd=lab.laptop,
            env=lab.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as follower,
        killed_on_failure(follower),
    ):
        assert follower.stdout and follower.stderr
        follower.stdout.read(1)
        follower.send_signal(signal.SIGINT)
        follower.stdout.read()
        told = follower.stderr.read().decode()
    assert follower.returncode == 130
    assert "the run goes on" in told and f"jobctl cancel {run_id}" in told
    gate.touch()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
