from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sshd import Sshd, running_sshd


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One server for all tests that leave it as it is."""
    with running_sshd(tmp_path_factory.mktemp("sshd") / "it's a $(server)") as server:
        yield server
