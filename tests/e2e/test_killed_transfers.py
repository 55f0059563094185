"""kill -9 of either side at random moments of a large transfer, each way, then the same command again.

What came is not sent again but for what was under way, which is counted on the wire; the result is the same, byte for
byte.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, python
from tests.remote.tcp import listening
from tests.sshd import Sshd, running_sshd

SIZE = 48_000_000
KILLS = 4
UNDER_WAY = 5 << 20
"""At most, for each kill: a window of SSH, and the frames that wait to be written. From the start each time it would be
a quarter of SIZE."""


class Wire:
    """Passes connections on to a port and counts the bytes, both ways."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.count = 0
        self._change = threading.Condition()

    def handle(self, sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as other:
            back = threading.Thread(target=self._copy, args=(sock, other))
            back.start()
            self._copy(other, sock)
            for end in (sock, other):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            back.join()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
                with self._change:
                    self.count += len(data)
                    self._change.notify_all()
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def wait_for(self, count: int, process: subprocess.Popen[bytes]) -> None:
        with self._change:
            while self.count < count and process.poll() is None:
                self._change.wait(0.01)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "own sshd") as server:
        yield server


@contextmanager
def counted(lab: Lab, sshd: Sshd) -> Iterator[Wire]:
    """The lab's host is reached over a wire that counts."""
    wire = Wire(sshd.port)
    with listening(wire.handle) as port:
        known = lab.laptop / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {sshd.public_host_key}\n")
        fields = {"work_dir": str(lab.work_dir), "lease_dir": str(lab.laptop.parent / "leases")}
        host = json.loads(sshd.inventory("box", **fields))
        host["hosts"]["box"] |= {"port": port, "known_hosts": str(known)}
        lab.inventory.write_text(json.dumps(host))
        yield wire


def kill_host_programs(sshd: Sshd) -> None:
    for pid in sshd.processes():
        with suppress(OSError):
            if b"python" in Path(f"/proc/{pid}/comm").read_bytes():
                os.kill(pid, signal.SIGKILL)


def kill_again_and_again(
    lab: Lab, sshd: Sshd, wire: Wire, *args: str, size: int = SIZE, kills: int = KILLS, seed: int = 20261128
) -> None:
    """The command, killed at random places of its way, of which each time `size` / `kills` is left; a side in turns."""
    chance = random.Random(seed)
    process: subprocess.Popen[bytes] | None = None
    for number in range(kills):
        if process is None or process.poll() is not None:
            argv, none = lab.argv(*args), subprocess.DEVNULL
            process = subprocess.Popen(argv, cwd=lab.laptop, env=lab.environment(), stdout=none, stderr=none)
        wire.wait_for(wire.count + chance.randrange(size * 2 // (3 * kills), size * 4 // (3 * kills)), process)
        if number % 2:
            kill_host_programs(sshd)  # a pull connects again by itself
        else:
            process.kill()
            process.wait()
    assert process is not None
    process.wait(120)
    lab.run(*args)


def test_a_pull_that_is_killed_goes_on(ssh_lab: Lab, sshd: Sshd) -> None:
    lab = ssh_lab
    make = f"import os; open('output/big', 'wb').write(os.urandom({SIZE})); open('output/small', 'w').write('x')"
    lab.write_config(python(make), artifacts=[{"name": "all", "path": "output/*"}])
    with counted(lab, sshd) as wire:
        run_id = lab.submit()
        assert lab.wait(run_id)["state"] == "SUCCEEDED"
        start = wire.count
        kill_again_and_again(lab, sshd, wire, "pull", run_id, "--to", "there", "--only", "all")
        travelled = wire.count - start
    big = lab.work_dir / "runs" / run_id / "output" / "big"
    assert (lab.laptop / "there" / "output" / "big").read_bytes() == big.read_bytes()
    assert sorted(path.name for path in (lab.laptop / "there" / "output").iterdir()) == ["big", "small"]
    assert travelled < SIZE * 1.05 + KILLS * UNDER_WAY


def test_a_submit_that_is_killed_goes_on(ssh_lab: Lab, sshd: Sshd) -> None:
    lab = ssh_lab
    (lab.laptop / "data").mkdir()
    (lab.laptop / "data" / "big").write_bytes(os.urandom(SIZE))
    for number in range(300):
        (lab.laptop / "data" / f"{number}").write_bytes(os.urandom(5000))
    lab.write_config(["true"], data=[{"name": "d", "path": "data", "link": "data/d"}])
    time.sleep(2.1)  # so that their hashes are remembered
    with counted(lab, sshd) as wire:
        kill_again_and_again(lab, sshd, wire, "submit", "config.yaml", "-i", str(lab.inventory))
        travelled = wire.count
        [run_id] = lab.runs_on_host()
        assert lab.wait(run_id)["state"] == "SUCCEEDED"
    there = lab.work_dir / "runs" / run_id / "code" / "data" / "d"
    assert (there / "big").read_bytes() == (lab.laptop / "data" / "big").read_bytes()
    assert len(list(there.iterdir())) == 301
    assert not list(lab.work_dir.glob("objects/??/.arriving-*"))
    assert travelled < SIZE * 1.05 + KILLS * UNDER_WAY
