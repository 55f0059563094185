"""What a command does not need it does not import: start-up is the sum of its imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "paramiko",
    "fabric",
    "pydantic",
    "jinja2",
    "asyncssh",
    "pathspec",
    "sqlite3",
    "rich.progress",
    "starlette",
    "uvicorn",
)
COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": (*HEAVY, "rich", "yaml"),
    "--version": (*HEAVY, "rich", "yaml"),
    "ps": (*HEAVY, "yaml"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_needs_no_host_imports_nothing_heavy(command: str) -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "jobctl", command]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "click" in imported
    assert not imported & set(COMMANDS[command])


def test_an_interrupt_while_it_starts_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    code = "import signal as s; s.signal(s.SIGINT, s.default_int_handler); from jobctl.__main__ import main; main()"
    environ = dict(os.environ, PYTHONPATH=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ninterrupted\n")
