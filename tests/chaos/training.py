"""A laptop, a host with eight imitated cards, and the stub trainer on four of them: what every fault is done to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from jobctl.host import control, states
from tests.e2e.lab import Lab, make_laptop
from tests.host.runs import STUB_LAUNCH, marked_processes, wait_for

Json = dict[str, Any]

HERE = Path(__file__).parent
FAKE_SMI = HERE.parent / "host" / "fake_npu_smi.py"
PATIENCE_S = 120.0
ENDLESS: Json = {"iters": 1_000_000, "step_s": 0.02}


@dataclass
class Site(Lab):
    """A Lab whose job is a training.

    `host_env`: a file that says what the host's programs find in their environment. `before`: words before each of the
    laptop's commands, such as `ip netns exec NAME`.
    """

    host_env: Path = Path()
    before: tuple[str, ...] = ()

    def argv(self, *args: str) -> list[str]:
        return [*self.before, *super().argv(*args)]

    def train(self, plan: Json, **values: Any) -> None:
        """Write the config of a training; `plan` is its STUB_LAUNCH."""
        config = {"template": "training", "name": "trial", "values": {"plan": plan, **values}}
        (self.laptop / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def run_dir(self, run_id: str) -> Path:
        return self.work_dir / "runs" / run_id

    def started(self, plan: Json, **values: Any) -> str:
        """Submit a training and wait until its ranks have logged something; the run's id."""
        self.train(plan, **values)
        run_id = self.submit()
        self.until(run_id, lambda found: bool(found["progress"]))
        return run_id

    def until(self, run_id: str, enough: Callable[[Json], bool]) -> Json:
        """Until the host's own word on the run is enough."""
        over = (*states.FINAL, states.LOST)
        ask = partial(control.status, self.run_dir(run_id))
        found = wait_for(ask, lambda found: enough(found) or found["state"] in over, PATIENCE_S)
        assert enough(found), found
        return found

    def rank(self, run_id: str, number: int) -> int:
        """The pid of a living rank."""
        return self._process(run_id, lambda words: f"--rank {number} " in " ".join([*words, ""]))

    def launcher(self, run_id: str) -> int:
        """The pid of the launcher."""
        return self._process(run_id, lambda words: "paddle.distributed.launch" in words)

    def clear_up(self) -> None:
        """After a test that failed: nothing of it goes on."""
        for run_id in self.runs_on_host():
            with suppress(Exception):
                control.cancel(self.work_dir, run_id, grace_s=0.0, patience_s=2.0)

    def _process(self, run_id: str, wanted: Callable[[list[str]], bool]) -> int:
        for pid in marked_processes(self.run_dir(run_id)):
            if wanted(Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]):
                return pid
        raise AssertionError("no such process of the run")

    def change_host(self, **fields: object) -> None:
        """Change fields of the one host in the inventory."""
        found = json.loads(self.inventory.read_text(encoding="utf-8"))
        found["hosts"]["box"].update(fields)
        self.inventory.write_text(json.dumps(found), encoding="utf-8")

    @contextmanager
    def begun(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """A command of the user's that goes on while something happens; ended with the block. Never a traceback.

        What it says on standard error stands in the laptop's file `told by COMMAND`.
        """
        argv, env = self.argv(*args), self.environment()
        path = self.laptop / f"told by {args[0]}"
        with (
            path.open("w") as told,
            subprocess.Popen(argv, cwd=self.laptop, env=env, stdout=subprocess.PIPE, stderr=told, text=True) as process,
        ):
            try:
                yield process
            finally:
                process.kill()
        assert "Traceback" not in path.read_text(errors="replace"), path.read_text(errors="replace")


def make_site(folder: Path, inventory: str, work_dir: Path) -> Site:
    """The host's Python is a script that puts the imitated cards on PATH, and reads `host environment` beside it."""
    laptop = make_laptop(folder)
    shutil.copytree(HERE / "templates", laptop / "templates", dirs_exist_ok=True)
    package = laptop / "code" / "paddle" / "distributed"
    package.mkdir(parents=True)
    shutil.copy(STUB_LAUNCH, package / "launch.py")
    host = folder / "of the host"
    host.mkdir()
    _put_cards(host)
    (laptop / "inventory.yaml").write_text(inventory, encoding="utf-8")
    site = Site(laptop, work_dir, laptop / "inventory.yaml", host_env=host / "environment")
    site.host_env.write_text("")
    python = host / "python"
    bins = f"{host}:{Path(sys.executable).parent}"
    python.write_text(f'#!/bin/sh\nexport PATH="{bins}:$PATH"\n. "{site.host_env}"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    site.change_host(python=str(python), lease_dir=str(host / "leases"))
    return site


def _put_cards(folder: Path) -> None:
    program = folder / "npu-smi"
    program.write_text(f"#!{sys.executable}\n" + FAKE_SMI.read_text(encoding="utf-8"))
    program.chmod(0o755)
    (folder / "cards.json").write_text(json.dumps({"cards": list(range(8)), "processes": {}}))
