"""Trees of files to a host, against `rsync -a` over a live ControlMaster: `python -m benchmarks.sync`.

Both go through one proxy to one real OpenSSH server on this machine, over a connection that is open already, in turns.
jobctl is timed from reading the tree on this side to the host's word that it has all of it, checked by hash and synced
to its disk; rsync from the start of its process to its end. Neither hashes what it has not sent, and rsync does not
check contents at all.

The code is real source code: what of Python's own library and of the installed packages is first by name. The pictures
are random bytes, which no compression makes smaller.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.measure import in_turns, median_ms, run
from benchmarks.proxy import CountingProxy
from benchmarks.submit import write_settings
from benchmarks.table import Row, show
from tests.sshd import running_sshd

CODE_FILES, LARGEST_CODE_BYTES = 2600, 40_000  # as PaddleSeg
PICTURES, PICTURE_BYTES = 10_000, 20_000
ROUND_TRIPS_S = (0.0, 0.050)
RSYNC, JOBCTL = "rsync -a over a live ControlMaster", "jobctl, over its open connection"


@dataclass(frozen=True)
class Bench:
    """One host behind a proxy, a live connection of each rival, and the trees."""

    folder: Path
    proxy: CountingProxy
    worker: subprocess.Popen[str]

    def jobctl(self, kind: str) -> None:
        assert self.worker.stdin and self.worker.stdout
        self.worker.stdin.write(json.dumps([kind, str(self.folder / kind)]) + "\n")
        self.worker.stdin.flush()
        if not self.worker.stdout.readline():
            raise RuntimeError("the worker has ended; see above")

    def rsync(self, kind: str) -> None:
        ssh = f"ssh -F {self.folder / 'ssh_config_master'}"
        options = ["-a", "--delete", "--exclude", ".git", "-e", ssh]
        run(["rsync", *options, f"{self.folder / kind}/", f"box:{self.folder / 'by-hand' / kind}/"])

    def forget(self) -> None:
        """The host has nothing, and this side has read nothing yet."""
        for name in ("host/objects", "host/trees", "by-hand/code", "by-hand/data", "laptop"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "by-hand").mkdir(exist_ok=True)

    def change_one(self) -> None:
        """Another line at the end of one file, of the size of an edit."""
        path = sorted((self.folder / "code").rglob("*.py"))[CODE_FILES // 2]
        with path.open("a") as file:
            file.write(f"# {random.random()}\n")


def measure(turns: int, folder: Path, only: str = "") -> list[Row]:
    """One group of rows for each case and each length of the way; with `only` those that have this in their name."""
    rows: list[Row] = []
    with running_bench(folder) as bench:
        for round_trip_s in ROUND_TRIPS_S:
            bench.proxy.one_way_s = round_trip_s / 2
            way = f"{round_trip_s * 1000:.0f} ms round trip"
            for what, kind, prepare in (
                ("code, cold", "code", bench.forget),
                ("code, nothing changed", "code", lambda: None),
                ("code, one file changed", "code", bench.change_one),
                ("dataset, cold", "data", bench.forget),
                ("dataset, nothing changed", "data", lambda: None),
            ):
                if only not in f"{what}, {way}":
                    continue
                print(f"measuring {what}, {way} ...", file=sys.stderr)
                # A cold turn of many files takes seconds; its spread is small.
                rows += _compare(bench, kind, prepare, turns if "cold" not in what else max(3, turns // 3), what, way)
    return rows


def _compare(bench: Bench, kind: str, prepare: Callable[[], None], turns: int, what: str, way: str) -> list[Row]:
    rivals = {RSYNC: lambda: bench.rsync(kind), JOBCTL: lambda: bench.jobctl(kind)}
    prepare()
    seconds = in_turns(rivals, turns, between=lambda _: prepare())
    base = median_ms(seconds[RSYNC])
    return [
        Row(name, median_ms(values), median_ms(values) / base, group=f"{what}, {way}")
        for name, values in seconds.items()
    ]


@contextmanager
def running_bench(folder: Path) -> Iterator[Bench]:
    """Server, proxy, both connections, code and data."""
    (folder / "by-hand").mkdir()
    write_code(folder / "code")
    write_pictures(folder / "data")
    with running_sshd(folder / "sshd") as sshd, CountingProxy(sshd.port) as proxy:
        write_settings(folder, sshd, proxy.port)
        master = ["ssh", "-F", str(folder / "ssh_config_master")]
        run([*master, "-f", "-N", "-M", "box"])
        argv = ["env", f"JOBCTL_HOME={folder / 'laptop'}", sys.executable, "-m", "benchmarks.sync_worker"]
        argv += [str(folder / "inventory.yaml"), "box"]
        worker = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert worker.stdin and worker.stdout
            worker.stdout.readline()
            yield Bench(folder, proxy, worker)
            worker.stdin.close()
            worker.wait(10)
        finally:
            worker.kill()
            run([*master, "-O", "exit", "box"])


def write_code(folder: Path) -> None:
    """Source files that are on every machine that runs this, in their own folders, as a git repository."""
    for source in islice(_sources(), CODE_FILES):
        target = folder / source.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    run(["git", "-C", str(folder), "init", "-q"])
    run(["git", "-C", str(folder), "add", "-A"])
    run(["git", "-C", str(folder), "-c", "user.name=b", "-c", "user.email=b@b", "commit", "-q", "-m", "code"])


def _sources() -> Iterator[Path]:
    for place in ("stdlib", "purelib"):
        for path in sorted(Path(sysconfig.get_path(place)).rglob("*.py")):
            if path.is_file() and 0 < path.stat().st_size <= LARGEST_CODE_BYTES:
                yield path


def write_pictures(folder: Path) -> None:
    """Files as large as small pictures, a hundred to a folder."""
    drawn = random.Random(1)
    for number in range(PICTURES):
        path = folder / f"city{number // 100:03}" / f"{number:06}_leftImg8bit.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(drawn.randbytes(PICTURE_BYTES))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync", description=__doc__)
    parser.add_argument("--turns", type=int, default=9, help="how often each is timed (default: %(default)s)")
    parser.add_argument("--only", default="", help="cases with this in their name, such as 'code, cold, 0 ms'")
    turns, only = (given := parser.parse_args()).turns, given.only
    with tempfile.TemporaryDirectory(prefix="jobctl-bench-") as folder:
        rows = measure(turns, Path(folder), only)
    show(rows, f"medians of {turns} turns; {CODE_FILES} code files; {PICTURES} pictures of {PICTURE_BYTES} bytes")


if __name__ == "__main__":
    main()
