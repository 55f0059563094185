"""Starts git on this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
"""Set inside git's hooks, for the repository that the hook runs in."""


def make_git_env() -> dict[str, str]:
    """No questions on the terminal, and no optional writing: `git status` would else refresh the user's index."""
    env = {name: value for name, value in os.environ.items() if name not in _PLACES}
    return {**env, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def run_git(folder: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    """git in a folder. Raises FileNotFoundError where git is not installed."""
    argv = ["git", "-C", os.fspath(folder), *args]
    return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, env=make_git_env())
