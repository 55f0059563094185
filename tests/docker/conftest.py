from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WEIRD_NAME
from tests.docker.boxed import BoxedLab, make_lab
from tests.docker.engine import GUEST, OWNER, Engine, running_engine, running_login
from tests.sshd import Sshd


def why_not() -> str | None:
    """Why no engine can be started here."""
    if os.geteuid() != 0:
        return "an engine of the tests' own needs root"
    missing = [name for name in ("dockerd", "docker", "unshare", "nsenter") if shutil.which(name) is None]
    return f"there is no {missing[0]} here: apt-get install docker.io" if missing else None


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """One for all tests of a worker; it takes two seconds."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with running_engine() as started:
        yield started


@pytest.fixture(scope="session")
def owner_login(engine: Engine) -> Iterator[Sshd]:
    with running_login(engine, OWNER) as server:
        yield server


@pytest.fixture(scope="session")
def guest_login(engine: Engine) -> Iterator[Sshd]:
    with running_login(engine, GUEST) as server:
        yield server


@pytest.fixture
def lab(engine: Engine, owner_login: Sshd, tmp_path: Path) -> Iterator[BoxedLab]:
    """A laptop, and a host with an engine that the user may use; folders with weird names. No container outlives it."""
    made = make_lab(tmp_path / WEIRD_NAME, engine, owner_login, WEIRD_NAME)
    yield made
    made.clear()


@pytest.fixture
def guest_lab(engine: Engine, guest_login: Sshd, tmp_path: Path) -> BoxedLab:
    """The same for a user who may not."""
    return make_lab(tmp_path / "guest", engine, guest_login, "jobctl")
