"""What jobctl answers to a file with a mistake in it.

A case is a file under `cases/KIND/`: comments that begin with `# > ` say what the message must contain, and the rest is
the file that the user wrote. To add a case, add a file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobctl.errors import ConfigError
from jobctl.spec.config import load_config
from jobctl.spec.inventory import load_inventory
from jobctl.spec.job import Job
from jobctl.spec.validate import validate
from jobctl.spec.yaml_source import load_yaml

CASES = Path(__file__).parent / "cases"

READERS: dict[str, Callable[[str, str], object]] = {
    "yaml": load_yaml,
    "inventory": load_inventory,
    "config": load_config,
    "job": lambda text, source: validate(Job, load_yaml(text, source)),
}

JARGON = ("pydantic", "validation error", "Input should", "Value error", "input_type", "[key]", "Traceback", "NoneType")


@pytest.mark.parametrize("path", sorted(CASES.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_mistake_is_answered_with_its_place_and_the_remedy(path: Path) -> None:
    text = path.read_text()
    expected = [line.removeprefix("# > ") for line in text.splitlines() if line.startswith("# > ")]

    with pytest.raises(ConfigError) as caught:
        READERS[path.parent.name](text, path.name)

    message = str(caught.value)
    assert expected
    for part in expected:
        assert part in message
    assert path.name in message
    assert not [word for word in JARGON if word in message]
    assert all(c.isprintable() or c == "\n" for c in message)
