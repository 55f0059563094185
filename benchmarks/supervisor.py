"""What the supervisor and its keeper cost while a training logs 100 lines a second: memory, and share of a core."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from jobctl.host import control

SECONDS = 20.0
_TRAINING = """
import os, time
with open(os.path.join(os.environ["PADDLE_LOG_DIR"], "workerlog.0"), "a", buffering=1) as log:
    for number in range(1, 1000000):
        log.write("2026-11-23 00:13:07 [INFO]\\t[TRAIN] epoch: 1, iter: %d/1000000, loss: 2.4000, lr: 0.005839, "
                  "batch_cost: 0.7836, reader_cost: 0.00666, ips: 2.5522 samples/sec | ETA 00:00:07\\n" % number)
        time.sleep(0.01)
"""


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="jobctl-bench-") as folder:
        root, run_id = Path(folder), "bench-supervisor"
        staged = root / "staging" / run_id
        (staged / "code").mkdir(parents=True)
        step = {"argv": [sys.executable, "-c", _TRAINING], "distributed": True}
        job = {
            "version": 1,
            "run_id": run_id,
            "name": "bench",
            "device": "cpu",
            "cards": 1,
            "environment": {},
            "env": {},
        }
        job.update(secrets=[], data=[], artifacts=[], stages=[{"name": "train", "steps": [step]}])
        (staged / "job.json").write_text(json.dumps(job))
        started = control.start(root, run_id)
        try:
            supervisor = int(started["supervisor"]["pid"])
            pids = [supervisor, int(_stat(supervisor)[1])]
            while not control.status(root / "runs" / run_id)["progress"]:
                time.sleep(0.1)
            before, since = _cpu_s(pids), time.monotonic()
            time.sleep(SECONDS)
            share = (_cpu_s(pids) - before) / (time.monotonic() - since)
            print(f"supervisor and keeper at 100 lines a second, over {SECONDS:.0f} s:")
            print(f"  memory (PSS) {sum(map(_pss_mb, pids)):.1f} MB, {share:.2%} of a core")
        finally:
            control.cancel(root, run_id, grace_s=1)


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_s(pids: list[int]) -> float:
    ticks = sum(int(_stat(pid)[11]) + int(_stat(pid)[12]) for pid in pids)
    return ticks / os.sysconf("SC_CLK_TCK")


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
