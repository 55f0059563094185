"""A trivial job from the command to its end, with its log here; nothing changed since the last time.

`jobctl submit --follow`, a hand-written ssh + rsync script and a fabric script, each over connections of its own,
through one proxy to one real OpenSSH server on this machine. The scripts know less: neither snapshots the code or
checks it, and fabric's packs and sends all of it, as people do where they cannot tell what has changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import JOBCTL, in_turns, median_ms, run
from benchmarks.submit import HERE, ROUND_TRIPS_S, Bench, running_bench
from benchmarks.table import Row

BY_HAND, FABRIC, JOBCTL_ROW = "rsync + rsync + ssh + ssh", "a fabric script", "jobctl submit --follow"


def measure(turns: int, folder: Path) -> list[Row]:
    """One group of rows for each length of the way."""
    rows: list[Row] = []
    with running_bench(folder) as bench:
        (folder / "trivial.yaml").write_text((folder / "quick.yaml").read_text().replace("quick", "trivial"))
        rivals: dict[str, Callable[[], object]] = {
            BY_HAND: lambda: _by_hand(bench),
            FABRIC: lambda: _fabric(bench),
            JOBCTL_ROW: lambda: _jobctl(bench),
        }
        for round_trip_s in ROUND_TRIPS_S:
            bench.proxy.one_way_s = round_trip_s / 2
            seconds = in_turns(rivals, turns, between=lambda _: bench.wait_for_runs())
            base = median_ms(seconds[BY_HAND])
            group = f"submit to finished with log, {round_trip_s * 1000:.0f} ms round trip"
            rows += [
                Row(name, median_ms(all_s), median_ms(all_s) / base, group=group) for name, all_s in seconds.items()
            ]
    return rows


def _jobctl(bench: Bench) -> None:
    config, inventory = str(bench.folder / "trivial.yaml"), str(bench.folder / "inventory.yaml")
    run([JOBCTL, "submit", config, "-i", inventory, "--follow"], JOBCTL_HOME=str(bench.folder / "laptop"))


def _by_hand(bench: Bench) -> None:
    paths = (bench.folder / "ssh_config", bench.folder / "code", bench.folder / "data", bench.folder / "by-hand")
    run([str(HERE / "handwritten_finished.sh"), *map(str, paths)])


def _fabric(bench: Bench) -> None:
    where = [str(bench.proxy.port), bench.sshd.user, str(bench.sshd.identity)]
    paths = [str(bench.folder / "code"), str(bench.folder / "by-fabric")]
    run([sys.executable, "-m", "benchmarks.fabric_finished", *where, *paths])
