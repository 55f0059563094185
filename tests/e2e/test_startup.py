"""What a command does not need it does not import: start-up is the sum of its imports."""

from __future__ import annotations

import subprocess
import sys

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
