"""What the documentation says of states, exit codes, variables and folders is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobctl import errors
from jobctl.ascend.contract import CONTRACT
from jobctl.host.states import RUN_STATES, STAGE_STATES
from tests.docs.pages import ROOT, sections
from tests.e2e.lab import Lab

DOCS = ROOT / "docs"


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_state_is_explained() -> None:
    text = sections(DOCS / "how-it-works.md")["States"]
    assert [state for state in RUN_STATES if f"\n| `{state}` |" not in text] == []
    assert [state for state in STAGE_STATES if f"`{state}`" not in text] == []


def test_every_exit_code_is_in_the_table() -> None:
    table = set(map(int, re.findall(r"^\| (\d+) \|", text_of("reference/cli.md"), re.MULTILINE)))
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.JobctlError)]
    assert {kind.exit_code for kind in kinds} | {0, 70, 130} == table


@pytest.mark.parametrize(("name", "value"), CONTRACT.items())
def test_every_variable_of_the_contract_is_shown_with_its_value(name: str, value: str) -> None:
    rows = [row for row in text_of("tutorial-on-ascend.md").splitlines() if row.startswith("|") and f"`{name}`" in row]
    assert len(rows) == 1
    assert f"`{value}`" in rows[0]


def test_what_a_run_leaves_on_the_host_is_told(local_run: tuple[Lab, str]) -> None:
    lab, run_id = local_run
    text = sections(DOCS / "how-it-works.md")["What is written where"]
    assert _untold(lab.work_dir, text) == []
    assert _untold(lab.work_dir / "runs" / run_id, text) == ["supervisor.lock"]


def _untold(folder: Path, text: str) -> list[str]:
    names = (path.name + ("/" if path.is_dir() else "") for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(name for name in names if f"`{name}" not in text)
