"""The demo's job on a host in a network namespace without a route, from a bundle alone. By hand, as root:

    python -m tests.paddle.offline_demo FOLDER [--iters N]

Prints how long each step took, how large the bundle is, and how much wanted to go where no route leads. PaddlePaddle is
fetched once, when the bundle is made. `tests/e2e/test_bundle.py` does the same with a small job in every run of the
tests.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from jobctl.demo.dataset import write_dataset
from jobctl.demo.run import _write_config
from tests.e2e.lab import Lab
from tests.offline_host import offline_host
from tests.paddle.test_main_job import check_results


class Watch:
    """Prints what a step took."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def lap(self, what: str) -> None:
        now = time.monotonic()
        print(f"{now - self._at:8.1f} s  {what}", flush=True)
        self._at = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--iters", type=int, default=12)
    args = parser.parse_args()
    folder = args.folder.absolute()
    (folder / "laptop").mkdir(parents=True)
    image = write_dataset(folder / "laptop" / "cityscapes")
    config = _write_config(folder, image, args.iters)
    os.environ["JOBCTL_HOME"] = str(folder / "records")
    with offline_host(folder / "sshd") as host:
        inventory = folder / "inventory.yaml"
        inventory.write_text(
            host.sshd.inventory("box", work_dir=str(folder / "host"), lease_dir=str(folder / "leases"))
        )
        lab = Lab(folder, folder / "host", inventory)
        watch = Watch()
        lab.run("bundle", str(config), "-o", "demo.bundle", timeout_s=3600)
        watch.lap(f"bundle: {(folder / 'demo.bundle').stat().st_size / 1e6:.0f} MB")
        lab.run("bundle", "--check", "demo.bundle")
        watch.lap("bundle --check")
        before = host.sent_nowhere()
        submit = ("submit", str(config), "-i", str(inventory), "--bundle", "demo.bundle")
        run_id = lab.run(*submit).out.strip()
        watch.lap(f"submit --bundle: {run_id}")
        lab.run("logs", "-f", run_id, expect=None, timeout_s=3600)
        status = lab.run("status", run_id, "--json").json()["data"]
        stages = {each["name"]: round((each["ended_at"] or 0) - each["started_at"], 1) for each in status["stages"]}
        watch.lap(f"{status['state']}: {json.dumps(stages)}")
        print(f"{host.sent_nowhere() - before:8d}    packets and connections to where no route leads")
        lab.run("pull", run_id, "--to", "results")
        check_results(status, folder / "results", image, args.iters)
        watch.lap("pull; the results are as promised")
        lab.run(*submit)
        watch.lap("submit --bundle again, which sends nothing")
        lab.run("cancel")


if __name__ == "__main__":
    main()
