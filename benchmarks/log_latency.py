"""How long a line takes from being written on the host to standing on the laptop: `jobctl logs -f` and `ssh tail -F`.

One program writes lines in turn into a run's log and into another file, each with the time in it; the two followers run
all the while, through one proxy to one real OpenSSH server. So whatever the machine does meanwhile falls on both alike.

    python -m benchmarks.log_latency
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import yaml

from benchmarks.measure import JOBCTL, run
from benchmarks.proxy import CountingProxy
from benchmarks.table import Row, show
from tests.sshd import Sshd, running_sshd

LINES = 200
GAP_S = 0.03
ROUND_TRIPS_S = (0.0, 0.050)
PATIENCE_S = 60.0

# Waits until both followers are there. CLOCK_MONOTONIC is the same for all processes of a machine.
WRITER = """
import os, sys, time
other, go, count, gap_s = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
with open(other, "ab", 0) as tail:
    while not os.path.exists(go):
        for sink in (sys.stdout.fileno(), tail.fileno()):
            os.write(sink, b"warm\\n")
        time.sleep(0.05)
    for number in range(count):
        for sink in (sys.stdout.fileno(), tail.fileno()):
            time.sleep(gap_s)
            os.write(sink, b"at %d\\n" % time.monotonic_ns())
"""


def measure(lines: int, folder: Path) -> list[Row]:
    """One group of rows for each length of the way."""
    rows: list[Row] = []
    with running_sshd(folder / "sshd") as sshd, CountingProxy(sshd.port) as proxy:
        for round_trip_s in ROUND_TRIPS_S:
            proxy.one_way_s = round_trip_s / 2
            place = folder / f"{round_trip_s * 1000:.0f}"
            place.mkdir()
            group = f"a log line, {round_trip_s * 1000:.0f} ms round trip"
            rows += _measure_at(sshd, proxy, place, lines, group)
    return rows


def _measure_at(sshd: Sshd, proxy: CountingProxy, folder: Path, lines: int, group: str) -> list[Row]:
    tailed, go = folder / "tailed.log", folder / "go"
    tailed.touch()
    home = {"JOBCTL_HOME": str(folder / "records")}
    entry = json.loads(sshd.inventory("box", work_dir=str(folder / "host")))
    entry["hosts"]["box"]["port"] = proxy.port
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{proxy.port} {sshd.public_host_key}\n")
    entry["hosts"]["box"]["known_hosts"] = str(folder / "known_hosts")
    (folder / "inventory.yaml").write_text(json.dumps(entry))
    run_id = _submit(folder, [WRITER, str(tailed), str(go), str(lines), str(GAP_S)], home)
    ssh = ["ssh", "-F", "none", "-p", str(proxy.port), "-i", str(sshd.identity), "-o", "BatchMode=yes"]
    ssh += ["-o", f"UserKnownHostsFile={folder / 'known_hosts'}", f"{sshd.user}@127.0.0.1"]
    followers = {
        "ssh host tail -F": [*ssh, "tail", "-n", "+1", "-F", str(tailed)],
        "jobctl logs -f": [JOBCTL, "logs", "-f", run_id],
    }
    with _following(followers, home, lines) as (late_s, warm):
        for event in warm.values():
            if not event.wait(PATIENCE_S):
                raise RuntimeError("a follower got no line")
        go.touch()
    base = statistics.median(late_s["ssh host tail -F"])
    rows = []
    for name, seconds in late_s.items():
        worst = sorted(seconds)[int(len(seconds) * 0.95)] * 1000
        beyond = (statistics.median(seconds) - proxy.one_way_s) * 1000
        label = f"{name} (one way + {beyond:.2f} ms; 95 % within {worst:.1f} ms)"
        rows.append(Row(label, statistics.median(seconds) * 1000, statistics.median(seconds) / base, group=group))
    return rows


def _submit(folder: Path, words: list[str], home: dict[str, str]) -> str:
    template = folder / "templates" / "writer"
    template.mkdir(parents=True)
    (folder / "code").mkdir()
    (template / "template.yaml").write_text(
        "description: Writes lines.\nvalues: {argv: {type: list, required: true}}\n"
    )
    (template / "job.yaml.j2").write_text(
        "version: 1\nname: {{ name }}\ndevice: cpu\ncode: {path: code}\n"
        "stages:\n  - name: write\n    steps:\n      - argv: {{ argv }}\n"
    )
    config = {"template": "writer", "name": "writer", "values": {"argv": ["python3", "-c", *words]}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    argv = [JOBCTL, "submit", str(folder / "config.yaml"), "-i", str(folder / "inventory.yaml")]
    return run(argv, **home).strip()


@contextmanager
def _following(
    followers: dict[str, list[str]], home: dict[str, str], lines: int
) -> Iterator[tuple[dict[str, list[float]], dict[str, threading.Event]]]:
    """(seconds of each line, set when the first has come) for each follower; at the end all lines are there."""
    late_s: dict[str, list[float]] = {name: [] for name in followers}
    warm = {name: threading.Event() for name in followers}

    def read(name: str, source: IO[bytes]) -> None:
        for line in iter(source.readline, b""):
            now = time.monotonic_ns()
            warm[name].set()
            if line.startswith(b"at "):
                late_s[name].append((now - int(line[3:])) / 1e9)
                if len(late_s[name]) == lines:
                    return

    processes = {
        name: subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **home})
        for name, argv in followers.items()
    }
    threads = [threading.Thread(target=read, args=(name, process.stdout)) for name, process in processes.items()]
    try:
        for thread in threads:
            thread.start()
        yield late_s, warm
        for thread in threads:
            thread.join(PATIENCE_S)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def main() -> None:
    """Measures and prints."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    with tempfile.TemporaryDirectory(prefix="jobctl-bench-") as folder:
        show(measure(lines, Path(folder)), f"medians of {lines} lines; ratios to the first row of a group")


if __name__ == "__main__":
    main()
