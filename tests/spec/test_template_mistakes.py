"""What jobctl answers to a template with a mistake in it, and to a config that does not fit its template.

A case is a text under `cases/template/`: files, each after a line `=== NAME`, and after `=== expected` what the message
must contain, line by line. To add a case, add a file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobctl.errors import InputError
from jobctl.spec.config import load_config
from jobctl.spec.template import load_template, make_job
from tests.spec.test_mistakes import CASES, JARGON


@pytest.mark.parametrize("path", sorted(CASES.glob("template/*.txt")), ids=lambda path: path.stem)
def test_a_template_and_a_config_that_do_not_fit_are_told_apart_and_placed(path: Path) -> None:
    parts = re.split(r"^=== (.+)\n", path.read_text(), flags=re.MULTILINE)
    files = dict(zip(parts[1::2], parts[2::2], strict=True))
    config, expected = files.pop("config.yaml"), files.pop("expected").splitlines()

    with pytest.raises(InputError) as caught:
        make_job(
            load_template("small", {name: text.encode() for name, text in files.items()}),
            load_config(config, "config.yaml"),
        )

    message = str(caught.value)
    assert expected
    for part in expected:
        assert part in message
    assert not [word for word in JARGON if word in message]
