from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.training import Site, make_site
from tests.sshd import Sshd, running_sshd


@pytest.fixture(scope="session")
def chaos_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One OpenSSH server for all rows; a row that stops it starts it again."""
    with running_sshd(tmp_path_factory.mktemp("chaos sshd")) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A host that is this machine."""
    work_dir = tmp_path / "work"
    hosts = {"hosts": {"box": {"transport": "local", "work_dir": str(work_dir)}}}
    made = make_site(tmp_path, json.dumps(hosts), work_dir)
    yield made
    made.clear_up()


@pytest.fixture
def ssh_site(tmp_path: Path, chaos_sshd: Sshd) -> Iterator[Site]:
    """A host by SSH."""
    work_dir = tmp_path / "work"
    made = make_site(tmp_path, chaos_sshd.inventory("box", work_dir=str(work_dir)), work_dir)
    yield made
    made.clear_up()
