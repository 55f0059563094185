"""A laptop and a host to try the whole tool with: the real command line, a real transport, folders with weird names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from jobctl.laptop.places import shipped

TEMPLATES = Path(__file__).parent / "templates"


@dataclass
class Said:
    """What a command said."""

    exit_code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Lab:
    """`laptop`: the user's folder (config, code, data). `work_dir`: the host's. `inventory_text`: how to reach it."""

    laptop: Path
    work_dir: Path
    inventory: Path
    env: dict[str, str] = field(default_factory=dict)

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "jobctl", *args]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "JOBCTL_HOME": str(self.laptop / "records"), **self.env}

    def run(self, *args: str, expect: int | None = 0, timeout_s: float = 120) -> Said:
        """A command of the user's. Never a traceback; the exit code is as expected (None: any)."""
        done = subprocess.run(
            self.argv(*args),
            cwd=self.laptop,
            env=self.environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in said.err, said.err
        assert expect is None or said.exit_code == expect, f"{args}: {said}"
        return said

    def submit(self, *args: str, expect: int | None = 0) -> str:
        """The run's id, from a config that `write_config` has made."""
        return self.run("submit", "config.yaml", "-i", str(self.inventory), *args, expect=expect).out.strip()

    def wait(self, run_id: str) -> dict[str, Any]:
        """Until the run has ended; its status."""
        self.run("logs", "-f", run_id, expect=None)
        data: dict[str, Any] = self.run("status", run_id, "--json").json()["data"]
        return data

    def write_config(self, *steps: list[str], **values: Any) -> None:
        config = {"template": "steps", "name": "trial", "values": {"steps": [list(step) for step in steps], **values}}
        (self.laptop / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")

    def runs_on_host(self) -> list[str]:
        folder = self.work_dir / "runs"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


@contextmanager
def killed_on_failure(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Whoever leaves the block early, by a failure or for want of time, does not wait for the process for ever."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def python(source: str, *args: str) -> list[str]:
    """A step that runs a few lines of Python."""
    return ["python3", "-c", source, *args]


def make_laptop(folder: Path) -> Path:
    """A user's folder with templates and a little code that no careless shell line survives."""
    laptop = folder / "laptop"
    shutil.copytree(TEMPLATES, laptop / "templates")
    for name in ("fetch.py", "store.py"):  # the shipped template's way to have a file from the internet
        shutil.copy(shipped("templates") / "deeplabv3p" / name, laptop / "templates" / "packages" / name)
    code = laptop / "code"
    (code / "sub dir").mkdir(parents=True)
    (code / "run.sh").write_text("#!/bin/sh\necho from the code\n")
    (code / "run.sh").chmod(0o755)
    (code / "sub dir" / "$(touch pwned) 'quote' 文.txt").write_text("text\n")
    (code / "link").symlink_to("run.sh")
    return laptop


def snapshot(folder: Path) -> dict[str, tuple[str, int, bytes]]:
    """Every entry below a folder: kind and mode, time of change, content."""
    found: dict[str, tuple[str, int, bytes]] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (oct(info.st_mode), info.st_mtime_ns, content)
    return found
