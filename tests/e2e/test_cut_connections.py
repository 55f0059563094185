"""The connection dies while somebody looks or pulls: no byte is lost, none comes twice, and the run does not notice."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, killed_on_failure, python
from tests.remote.tcp import listening, relay
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


SPEAK_MUCH = """
import os, random
draw = random.Random(50)
folder = os.path.join(os.environ["JOBCTL_RUN_DIR"], "log", "train-1")
os.makedirs(folder)
logs = [open(os.path.join(folder, "workerlog.%d" % rank), "wb") for rank in range(3)]
for number in range(12000):
    line = draw.randbytes(draw.randrange(300)).hex().encode() + b"\\n"
    os.write(1, line)
    for log in logs:
        log.write(b"%d " % number + line)
"""


@pytest.mark.parametrize(("most", "ranks"), [(50, []), (12, ["--rank", "all"])], ids=["the stage's log", "all ranks"])
def test_a_log_that_is_cut_at_random_moments_arrives_byte_by_byte(
    ssh_lab: Lab, sshd: Sshd, most: int, ranks: list[str]
) -> None:
    lab, draw = ssh_lab, random.Random(6)
    lab.inventory.write_text(sshd.inventory("box", work_dir=str(lab.work_dir)))
    lab.write_config(python(SPEAK_MUCH))
    run_id = lab.submit()
    lab.wait(run_id)
    run_dir = lab.work_dir / "runs" / run_id
    size = (run_dir / "logs" / "train.log").stat().st_size
    cuts = 0

    def handle(sock: socket.socket) -> None:
        """Passes on to the server; the first connections end in the middle of what it says."""
        nonlocal cuts
        after = None
        if cuts < most:
            cuts += 1
            after = draw.randrange(3000, size // most)
        relay(sshd.port, after)(sock)

    with listening(handle) as port:
        record = next((lab.laptop / "records" / "runs").glob("*.json"))
        known = record.parent / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {sshd.public_host_key}\n")
        told = json.loads(record.read_text())
        told["host"].update(port=port, known_hosts=str(known))
        record.write_text(json.dumps(told))
        done = subprocess.run(
            lab.argv("logs", "-f", run_id, *ranks), cwd=lab.laptop, env=lab.environment(), capture_output=True
        )
    assert done.returncode == 0, done.stderr
    assert cuts == most
    if not ranks:
        assert done.stdout == (run_dir / "logs" / "train.log").read_bytes()
    for rank in range(3) if ranks else ():
        mark = b"[%d] " % rank
        mine = b"".join(line[len(mark) :] for line in done.stdout.splitlines(keepends=True) if line.startswith(mark))
        assert mine == (run_dir / "log" / "train-1" / f"workerlog.{rank}").read_bytes()


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
