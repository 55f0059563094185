from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WEIRD_NAME
from tests.e2e.lab import Lab, make_laptop
from tests.sshd import Sshd, running_sshd


@pytest.fixture(scope="session")
def shared_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One OpenSSH server for all tests that do no harm to it."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def make_lab(folder: Path, inventory: str) -> Lab:
    laptop = make_laptop(folder)
    (laptop / "inventory.yaml").write_text(inventory, encoding="utf-8")
    return Lab(laptop, folder / "host" / WEIRD_NAME, laptop / "inventory.yaml")


def folders(folder: Path) -> dict[str, str]:
    """Where a lab's host works, and where its users agree on cards: of the lab's own, tests run beside each other."""
    return {"work_dir": str(folder / "host" / WEIRD_NAME), "lease_dir": str(folder / "leases")}


@pytest.fixture(params=["local", "ssh"])
def lab(request: pytest.FixtureRequest, weird_path: Path) -> Lab:
    """A laptop with a host, by either transport; all folders on both sides have a weird name."""
    if request.param == "local":
        return make_lab(weird_path, json.dumps({"hosts": {"box": {"transport": "local", **folders(weird_path)}}}))
    server: Sshd = request.getfixturevalue("shared_sshd")
    return make_lab(weird_path, server.inventory("box", **folders(weird_path)))


@pytest.fixture
def ssh_lab(shared_sshd: Sshd, weird_path: Path) -> Lab:
    """The same by SSH only."""
    return make_lab(weird_path, shared_sshd.inventory("box", **folders(weird_path)))


@pytest.fixture
def local_lab(weird_path: Path) -> Lab:
    """The same on this machine only."""
    return make_lab(weird_path, json.dumps({"hosts": {"box": {"transport": "local", **folders(weird_path)}}}))
