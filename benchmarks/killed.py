"""kill -9 of either side at random moments of a large transfer, each way, then the same command again: by hand.

    python -m benchmarks.killed [--mb 2000] [--kills 20] [--seed N]

Prints what travelled over the wire in all, against the size of the file, and the largest process of either side.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from tests.e2e.lab import Lab, make_laptop, python
from tests.e2e.test_killed_transfers import Wire, counted, kill_again_and_again
from tests.sshd import Sshd, running_sshd

_BLOCKS = "import os; f = open('output/big', 'wb'); [f.write(os.urandom(1000000)) for _ in range({mb})]; f.close()"


class Peak:
    """The largest process of ours, on either side, looked at ten times a second."""

    def __init__(self, sshd: Sshd) -> None:
        self.kb = 0
        self._sshd = sshd
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.1):
            for command in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError, IndexError):  # it may be ending
                    words = command.read_bytes()
                    if b"jobctl\0pull" in words or b"jobctl\0submit" in words or b"channel.read(" in words:
                        status = command.with_name("status").read_text()
                        self.kb = max(self.kb, int(status.partition("VmHWM:")[2].split()[0]))

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def measure(lab: Lab, sshd: Sshd, wire: Wire, way: str, mb: int, kills: int, seed: int, *args: str) -> None:
    """One way."""
    start = wire.count
    with Peak(sshd) as peak:
        kill_again_and_again(lab, sshd, wire, *args, size=mb * 1_000_000, kills=kills, seed=seed)
    travelled = (wire.count - start) / 1e6
    print(f"{way}: {mb} MB, killed {kills} times (seed {seed})")
    print(f"  {travelled:,.0f} MB travelled, {travelled / mb:.3f} of the size; largest process {peak.kb / 1000:.0f} MB")


def main() -> None:
    """Measures and prints. Ends with an AssertionError where a byte differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.killed", description=__doc__)
    for name, default in (("--mb", 2000), ("--kills", 20), ("--seed", 1)):
        parser.add_argument(name, type=int, default=default)
    chosen = parser.parse_args()
    mb, kills, seed = chosen.mb, chosen.kills, chosen.seed
    with tempfile.TemporaryDirectory(prefix="jobctl-killed-") as name, running_sshd(Path(name) / "sshd") as sshd:
        folder = Path(name)
        laptop = make_laptop(folder)
        lab = Lab(laptop, folder / "host", laptop / "inventory.yaml")
        lab.inventory.write_text(json.dumps({"hosts": {}}))
        with counted(lab, sshd) as wire:
            lab.write_config(python(_BLOCKS.format(mb=mb)), artifacts=[{"name": "all", "path": "output/*"}])
            run_id = lab.submit()
            lab.wait(run_id)
            measure(lab, sshd, wire, "down", mb, kills, seed, "pull", run_id, "--to", "there", "--only", "all")
            (laptop / "data").mkdir()
            big = laptop / "there" / "output" / "big"
            assert not _differ(big, lab.work_dir / "runs" / run_id / "output" / "big")
            big.rename(laptop / "data" / "big")
            lab.write_config(["true"], data=[{"name": "d", "path": "data", "link": "data/d"}])
            submit = ("submit", "config.yaml", "-i", str(lab.inventory))
            measure(lab, sshd, wire, "up", mb, kills, seed, *submit)
            [there] = lab.work_dir.glob("datasets/d/*/big")
            assert not _differ(laptop / "data" / "big", there)


def _differ(one: Path, other: Path) -> bool:
    with one.open("rb") as left, other.open("rb") as right:
        while (piece := left.read(1 << 20)) or right.peek(1):
            if piece != right.read(1 << 20):
                return True
    return False


if __name__ == "__main__":
    main()
