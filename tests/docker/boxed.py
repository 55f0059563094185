"""A laptop and a host with a container engine: the command line as a user has it, over SSH, into real containers."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.docker.engine import GUEST, GUEST_ID, IMAGE, OWNER_ID, Engine
from tests.e2e.lab import Lab
from tests.host.runs import STUB_LAUNCH
from tests.sshd import Sshd

TEMPLATES = Path(__file__).parent / "templates"
ARCH = platform.machine()


@dataclass
class BoxedLab(Lab):
    """`inventory_fields` are those of the host; `write_inventory` writes them again."""

    engine: Engine = field(kw_only=True)
    login: Sshd = field(kw_only=True)

    def write_inventory(self, **fields: Any) -> None:
        known: dict[str, Any] = {
            "work_dir": str(self.work_dir),
            "lease_dir": str(self.work_dir.parent / "leases"),
            "python": "/usr/bin/python3",
            "runtime": "docker",
            "container": {"shm_size": "64m"},
        }
        self.inventory.write_text(self.login.inventory("box", **{**known, **fields}), encoding="utf-8")

    def write_job(self, *stages: dict[str, Any], **values: Any) -> None:
        written = {"image": {ARCH: IMAGE}, "stages": list(stages), **values}
        config = {"template": "boxed", "name": "trial", "values": written}
        (self.laptop / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")

    def run_dir(self, run_id: str) -> Path:
        return self.work_dir / "runs" / run_id

    def status(self, run_id: str) -> dict[str, Any]:
        data: dict[str, Any] = self.run("status", run_id, "--json").json()["data"]
        return data

    def log(self, run_id: str, stage: str = "train") -> str:
        path = self.run_dir(run_id) / "logs" / f"{stage}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def containers_of(self, run_id: str) -> list[str]:
        return [name for name in self.engine.containers() if run_id in name]

    def clear(self) -> None:
        for run_id in self.runs_on_host():
            self.run("cancel", run_id, "--grace", "0", expect=None)
            assert self.containers_of(run_id) == []
        shutil.rmtree(self.work_dir.parent, ignore_errors=True)


def make_lab(folder: Path, engine: Engine, login: Sshd, work_dir_name: str) -> BoxedLab:
    laptop = folder / "laptop"
    shutil.copytree(TEMPLATES, laptop / "templates")
    launcher = laptop / "code/paddle/distributed/launch"
    launcher.mkdir(parents=True)
    shutil.copy(STUB_LAUNCH, launcher / "__main__.py")
    home = Path(tempfile.mkdtemp(prefix="lab-", dir=engine.folder))
    owner = GUEST_ID if login.user == GUEST else OWNER_ID
    os.chown(home, owner, owner)
    lab = BoxedLab(laptop, home / work_dir_name, laptop / "inventory.yaml", engine=engine, login=login)
    lab.write_inventory()
    return lab


def step(*argv: str, **fields: Any) -> dict[str, Any]:
    return {"argv": list(argv), **fields}


def stage(*steps: dict[str, Any], name: str = "train", **fields: Any) -> dict[str, Any]:
    return {"name": name, "steps": list(steps), **fields}


def training(plan: dict[str, Any] | None = None, name: str = "train", **fields: Any) -> dict[str, Any]:
    """A stage that runs the stub in the place of Paddle's launcher."""
    env = {"STUB_LAUNCH": json.dumps(plan or {})}
    return stage(step("train.py", distributed=True, env=env), name=name, **fields)


def wait_for(happened: Callable[[], bool], patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
