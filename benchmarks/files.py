"""One large file to a host and back, whole commands with connections of their own: `jobctl send` and `jobctl pull`
against scp (its fastest cipher) and rsync.

`send` hashes the file before it sends and the host while it comes, `pull` the other way round; neither scp nor rsync
checks what arrived. The laptop has hashed the file before (an unchanged file is hashed once), the host has not seen it.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.links import FarHost, far_host
from benchmarks.measure import JOBCTL, in_turns, median_ms, peak_mb, run
from benchmarks.table import Row

CIPHER = "aes128-gcm@openssh.com"
MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """A file and a line."""

    name: str
    size_mib: int
    round_trip_s: float = 0.0
    mbit: float | None = None
    rsync: bool = True


LOOPBACK = Case("1 GiB, loopback", 1024, rsync=False)
FAR = Case("256 MiB, 50 ms, 1 Gbit/s", 256, 0.050, 1000)
SLOW = Case("64 MiB, 50 ms, 100 Mbit/s", 64, 0.050, 100)


@dataclass(frozen=True)
class Bench:
    """The folder of a laptop and a host, and the line between them."""

    folder: Path
    far: FarHost

    @property
    def ssh(self) -> list[str]:
        sshd = self.far.sshd
        options = [f"UserKnownHostsFile={self.folder / 'known_hosts'}", "BatchMode=yes", f"Ciphers={CIPHER}"]
        return ["-F", "none", "-i", str(sshd.identity), *(word for option in options for word in ("-o", option))]

    @property
    def login(self) -> str:
        return f"{self.far.sshd.user}@{self.far.address}"

    def jobctl(self, *words: str) -> str:
        return run([*self.far.laptop, JOBCTL, *words], JOBCTL_HOME=str(self.folder / "laptop"))

    def scp(self, source: str, target: str) -> None:
        run([*self.far.laptop, "scp", "-q", "-P", str(self.far.port), *self.ssh, source, target])

    def rsync(self, source: str, target: str) -> None:
        shell = " ".join(["ssh", "-p", str(self.far.port), *self.ssh])
        run([*self.far.laptop, "rsync", "-W", "-e", shell, source, target])


def measure(case: Case, turns: int, folder: Path) -> list[Row]:
    """Up, then down."""
    with far_host(folder, case.round_trip_s, case.mbit) as far:
        bench = Bench(folder, far)
        _write_inputs(bench, case)
        way = f" ({far.way})" if case.round_trip_s else ""
        return [*_up(bench, case, turns, way), *_down(bench, case, turns, way)]


def _up(bench: Bench, case: Case, turns: int, way: str) -> list[Row]:
    blob, there = str(bench.folder / "data" / "blob"), bench.folder / "by-hand"
    config, inventory = str(bench.folder / "job.yaml"), str(bench.folder / "inventory.yaml")

    def forget(_: str) -> None:
        shutil.rmtree(bench.folder / "work", ignore_errors=True)
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir()

    rivals: dict[str, Callable[[], object]] = {"scp": lambda: bench.scp(blob, f"{bench.login}:{there}/blob")}
    if case.rsync:
        rivals["rsync"] = lambda: bench.rsync(blob, f"{bench.login}:{there}/blob")
    rivals["jobctl send"] = lambda: bench.jobctl("send", config, "-i", inventory)
    forget("")
    return _rows(in_turns(rivals, turns, between=forget), f"{case.name}, up{way}")


def _down(bench: Bench, case: Case, turns: int, way: str) -> list[Row]:
    run_id = bench.jobctl("submit", str(bench.folder / "job.yaml"), "-i", str(bench.folder / "inventory.yaml")).strip()
    output = bench.folder / "work" / "runs" / run_id / "output" / "blob"
    while json.loads(bench.jobctl("status", run_id, "--json"))["data"]["state"] not in ("SUCCEEDED", "FAILED"):
        time.sleep(0.2)
    here = bench.folder / "here"

    def forget(_: str) -> None:
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()

    rivals: dict[str, Callable[[], object]] = {"scp": lambda: bench.scp(f"{bench.login}:{output}", str(here / "blob"))}
    if case.rsync:
        rivals["rsync"] = lambda: bench.rsync(f"{bench.login}:{output}", str(here / "blob"))
    rivals["jobctl pull"] = lambda: bench.jobctl("pull", run_id, "--only", "blob", "--to", str(here / "pulled"))
    forget("")
    return _rows(in_turns(rivals, turns, between=forget), f"{case.name}, down{way}")


def _rows(seconds: dict[str, list[float]], group: str) -> list[Row]:
    print(f"  largest process so far: {peak_mb():.0f} MB", file=sys.stderr)
    base = median_ms(next(iter(seconds.values())))
    return [Row(name, median_ms(all_s), median_ms(all_s) / base, group=group) for name, all_s in seconds.items()]


def _write_inputs(bench: Bench, case: Case) -> None:
    folder, sshd = bench.folder, bench.far.sshd
    name = bench.far.address if bench.far.port == 22 else f"[{bench.far.address}]:{bench.far.port}"
    (folder / "known_hosts").write_text(f"{name} {sshd.public_host_key}\n")
    (folder / "code").mkdir()
    (folder / "code" / "readme").write_text("nothing\n")
    (folder / "data").mkdir()
    drawn = random.Random(1)
    with (folder / "data" / "blob").open("wb") as file:
        for _ in range(case.size_mib):
            file.write(drawn.randbytes(MIB))
    shutil.copytree(Path(__file__).parent / "job" / "templates", folder / "templates")
    values = {"code": str(folder / "code"), "data": str(folder / "data")}
    (folder / "job.yaml").write_text(json.dumps({"template": "blob", "values": values}))
    host = json.loads(sshd.inventory("box"))["hosts"]["box"]
    host |= {"address": bench.far.address, "port": bench.far.port, "known_hosts": str(folder / "known_hosts")}
    host |= {"work_dir": str(folder / "work"), "connect_timeout_s": 30}
    (folder / "inventory.yaml").write_text(json.dumps({"hosts": {"box": host}}))
