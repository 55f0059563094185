from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobctl import api
from jobctl.api import Examined
from tests.checks.house import HERE, House, house

TEMPLATES = HERE / "templates"


@pytest.fixture(scope="session")
def fit_house() -> Iterator[House]:
    """A host with four cards and all that belongs to them; a test that breaks something mends it, by the remedy."""
    with house() as made:
        made.install_ascend()
        made.serve()
        yield made


def write_job(folder: Path, **values: Any) -> Path:
    """A config for the template `examined`, with a little code."""
    (folder / "code").mkdir(exist_ok=True)
    (folder / "templates").unlink(missing_ok=True)
    (folder / "templates").symlink_to(TEMPLATES)
    config = folder / "config.yaml"
    written = {"template": "examined", "name": "examined", "values": values}
    config.write_text(yaml.safe_dump(written, allow_unicode=True), encoding="utf-8")
    return config


Look = Callable[..., Examined]


@pytest.fixture
def look(fit_house: House, tmp_path: Path) -> Look:
    """Examine the house for a job with these values."""

    def examine(**values: Any) -> Examined:
        (tmp_path / "inventory.yaml").write_text(fit_house.inventory())
        (examined,) = api.doctor(tmp_path / "inventory.yaml", config=write_job(tmp_path, **values))
        return examined

    return examine


def checks_of(examined: Examined) -> dict[str, Any]:
    """By name."""
    return {check.name: check for check in examined.checks}


def load_cases(name: str) -> dict[str, Any]:
    """A file of cases: name -> what it is made of."""
    found: dict[str, Any] = yaml.safe_load((HERE / "cases" / name).read_text(encoding="utf-8"))
    json.dumps(found)  # only what a host could send
    return found
