"""What every test gets: a home of its own, no surprises in its environment, folders with names that break quoting."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("jobctl", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("jobctl")

# A script that starts the tests in the background hands down an ignored SIGINT, which what they start would keep.
signal.signal(signal.SIGINT, signal.default_int_handler)

WEIRD_NAME = "with space, 'quote', \"double\", $(touch pwned), `tick`, back\\slash, *, new\nline, 中文"
"""A legal file name that every careless shell line breaks on."""


GIT_CONFIG = """\
[user]
    name = Test
    email = test@example.com
[init]
    defaultBranch = main
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing that a test does reads or writes the user's own files, agent or settings."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(GIT_CONFIG)
    for name in os.environ:
        if name.startswith(("JOBCTL_", "PADDLE_", "XDG_", "SSH_", "GIT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return home


@pytest.fixture
def weird_path(tmp_path: Path) -> Path:
    """An empty folder whose name holds spaces, quotes, `$(...)`, a newline and Chinese."""
    path = tmp_path / WEIRD_NAME
    path.mkdir()
    return path
