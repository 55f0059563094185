"""`--json`: every command answers in one envelope, with its data or with what went wrong."""

from __future__ import annotations

import pytest

from jobctl.cli import COMMANDS
from tests.e2e.lab import Lab, python

NO_JSON = {
    "schema": "prints JSON anyway",
    "completion": "prints a script",
    "watch": "draws on a terminal",
    "ui": "serves",
}
WITH_JSON = [name for name in COMMANDS if name not in NO_JSON]


@pytest.mark.parametrize("command", WITH_JSON)
def test_what_is_wrong_comes_in_the_envelope(command: str, local_lab: Lab) -> None:
    answer = local_lab.run(command, "--json", "--no-such-option", expect=2).json()
    assert (answer["version"], answer["command"]) == (1, command)
    assert answer["error"]["kind"] == "InputError" and "--no-such-option" in answer["error"]["what"]
    assert answer["error"]["next_command"] == f"jobctl {command} --help"


def test_what_was_asked_comes_in_the_envelope(local_lab: Lab) -> None:
    """The other commands' data are compared with the documentation in tests/docs; `demo` runs in tests/paddle."""
    local_lab.write_config(python("pass"))
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    inventory = ("-i", str(local_lab.inventory))
    asked = {
        "init": ["there"],
        "render": ["config.yaml"],
        "plan": ["config.yaml", *inventory],
        "ps": [],
        "status": [run_id],
        "logs": [run_id],
        "cancel": [run_id],
        "pull": [run_id],
        "diagnose": [run_id],
        "report": [run_id],
        "adopt": list(inventory),
        "gc": list(inventory),
        "cards": list(inventory),
    }
    for command, words in asked.items():
        answer = local_lab.run(command, *words, "--json", expect=None).json()
        assert sorted(answer) == ["command", "data", "version"], answer
        assert (answer["version"], answer["command"]) == (1, command)
        assert answer["data"] not in (None, {}), command
