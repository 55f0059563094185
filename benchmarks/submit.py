"""`jobctl submit`, nothing changed and the environment ready, against a hand-written ssh + rsync + nohup script.

All go through one proxy to one real OpenSSH server on this machine. Round trips are counted where there is a delay.
"""

from __future__ import annotations

import json
import shlex
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import JOBCTL, in_turns, median_ms, run
from benchmarks.proxy import CountingProxy, Counts
from benchmarks.table import Row
from tests.sshd import Sshd, running_sshd

HERE = Path(__file__).parent
CODE_FILES, CODE_FILE_BYTES = 2600, 4_000  # as PaddleSeg
DATA_FILES, DATA_FILE_BYTES = 500, 100_000
ROUND_TRIPS_S = (0.0, 0.050)
FINAL = {"SUCCEEDED", "FAILED", "CANCELLED", "LOST"}
END_TIMEOUT_S = 120.0
SFTP = ("Subsystem sftp internal-sftp",)


@dataclass(frozen=True)
class Bench:
    """One host behind a proxy, and what is submitted to it."""

    folder: Path
    sshd: Sshd
    proxy: CountingProxy

    @property
    def work_dir(self) -> Path:
        return self.folder / "host"

    def submit(self) -> None:
        """One `jobctl submit`."""
        config, inventory = str(self.folder / "quick.yaml"), str(self.folder / "inventory.yaml")
        run([JOBCTL, "submit", config, "-i", inventory], JOBCTL_HOME=str(self.folder / "laptop"))

    def by_hand(self, ssh_config: str) -> None:
        """One call of the hand-written script."""
        paths = (self.folder / ssh_config, self.folder / "code", self.folder / "data", self.folder / "by-hand")
        run([str(HERE / "handwritten.sh"), *map(str, paths)])

    def wait_for_runs(self) -> None:
        """Until every run has ended, so that none is going on beside the next turn."""
        end = time.monotonic() + END_TIMEOUT_S
        while not all(state in FINAL for state in self._states()):
            if time.monotonic() > end:
                raise RuntimeError(f"runs did not end within {END_TIMEOUT_S} s: {list(self._states())}")
            time.sleep(0.05)
        assert set(self._states()) <= {"SUCCEEDED"}, list(self._states())

    def _states(self) -> Iterator[str]:
        for status in self.work_dir.glob("runs/*/status.json"):
            yield json.loads(status.read_text())["state"]


def measure(turns: int, folder: Path) -> list[Row]:
    """One group of rows for each length of the way."""
    rows: list[Row] = []
    with running_bench(folder) as bench:
        rivals: dict[str, Callable[[], None]] = {
            "rsync + rsync + ssh nohup": lambda: bench.by_hand("ssh_config"),
            "the same over a live ControlMaster": lambda: bench.by_hand("ssh_config_master"),
            "jobctl submit": bench.submit,
        }
        for round_trip_s in ROUND_TRIPS_S:
            bench.proxy.one_way_s = round_trip_s / 2
            rows += _measure_at(
                bench, rivals, turns, f"submit, nothing changed, {round_trip_s * 1000:.0f} ms round trip"
            )
    return rows


def _measure_at(bench: Bench, rivals: dict[str, Callable[[], None]], turns: int, group: str) -> list[Row]:
    counted: dict[str, list[Counts]] = defaultdict(list)

    def between(name: str) -> None:
        counted[name].append(bench.proxy.take())
        bench.wait_for_runs()
        time.sleep(4 * bench.proxy.one_way_s)  # what the connections still say as they close
        bench.proxy.take()

    bench.proxy.take()
    seconds = in_turns(rivals, turns, between=between)
    base = median_ms(next(iter(seconds.values())))
    return [
        Row(
            name,
            median_ms(values),
            median_ms(values) / base,
            statistics.median_low(counts.connections for counts in counted[name][1:]),
            statistics.median_low(counts.round_trips for counts in counted[name][1:])
            if bench.proxy.one_way_s
            else None,
            group,
        )
        for name, values in seconds.items()
    ]


@contextmanager
def running_bench(folder: Path) -> Iterator[Bench]:
    """Server, proxy, a live ControlMaster, code and data."""
    with running_sshd(folder / "sshd", SFTP) as sshd, CountingProxy(sshd.port) as proxy:
        bench = Bench(folder, sshd, proxy)
        write_inputs(bench)
        master = ["ssh", "-F", str(folder / "ssh_config_master")]
        run([*master, "-f", "-N", "-M", "box"])
        try:
            yield bench
        finally:
            run([*master, "-O", "exit", "box"])


def write_inputs(bench: Bench) -> None:
    """Trees, configs and both sides' settings, and for the hand-written script a venv."""
    folder = bench.folder
    write_settings(folder, bench.sshd, bench.proxy.port)
    write_tree(folder / "code", CODE_FILES, CODE_FILE_BYTES)
    write_tree(folder / "data", DATA_FILES, DATA_FILE_BYTES)
    run(["git", "-C", str(folder / "code"), "init", "-q"])
    run(["python3", "-m", "venv", "--without-pip", str(folder / "by-hand" / "venv")])

    shutil.copytree(HERE / "job" / "templates", folder / "templates")
    values = {"code": str(folder / "code"), "data": str(folder / "data")}
    (folder / "quick.yaml").write_text(json.dumps({"template": "quick", "values": values}))


def write_settings(folder: Path, sshd: Sshd, port: int) -> None:
    """How the host, `box`, is reached through `port`: an inventory, `ssh_config`, and `ssh_config_master`."""
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {sshd.public_host_key}\n")
    host = {"address": "127.0.0.1", "port": port, "user": sshd.user, "identity_file": str(sshd.identity)}
    host |= {"known_hosts": str(known_hosts), "ssh_config": str(sshd.ssh_config), "work_dir": str(folder / "host")}
    (folder / "inventory.yaml").write_text(json.dumps({"hosts": {"box": host}}))

    lines = [
        "Host box",
        f"HostName 127.0.0.1\nPort {port}\nUser {sshd.user}\nIdentityFile {sshd.identity}\nIdentitiesOnly yes",
        f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\nBatchMode yes",
    ]
    (folder / "ssh_config").write_text("\n".join(lines) + "\n")
    socket = shlex.quote(str(folder / "master"))
    lines += ["ControlMaster auto", f"ControlPath {socket}", "ControlPersist no"]
    (folder / "ssh_config_master").write_text("\n".join(lines) + "\n")


def write_tree(folder: Path, files: int, size_bytes: int) -> None:
    """`files` files with contents that all differ, fifty to a folder."""
    for number in range(files):
        path = folder / f"part{number // 50:03}" / f"file{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((f"{number:08}\n".encode() * (size_bytes // 9 + 1))[:size_bytes])
