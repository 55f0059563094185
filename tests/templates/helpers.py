"""Running a template's helper scripts as a stage does: the script by its path, in a working directory of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def run_helper(script: str, *args: str, cwd: Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    """(exit code, all output) of `templates/<script>`."""
    done = subprocess.run(
        [sys.executable, "-B", str(TEMPLATES / script), *args],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return done.returncode, done.stdout.decode()
