"""The start shim for gloo ranks, run by real interpreters.

`paddle` is a stub here: it imitates the module names and the one call, `ProcessGroupGloo.create`, that the shim deals
with in paddlepaddle 3.3.1.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

SHIM = Path(str(resources.files("jobctl.plan"))) / "gloo_start"

STUB = {
    "paddle/__init__.py": "",
    "paddle/core.py": """
class ProcessGroupGloo:
    @staticmethod
    def create(store, rank, world_size, group_id):
        return [store, rank, world_size, group_id]
""",
    "paddle/distributed/__init__.py": "from . import collective",
    "paddle/distributed/collective.py": "from paddle import core",
}
SCRIPT = """
import json
from paddle.distributed import collective
create = collective.core.ProcessGroupGloo.create
world, fleet, pair = create("s", 1, 4, 0), create("s", 1, 4, 10), create("s", 1, 2, 11)
print(json.dumps({"fleet shares": fleet is world, "pair": pair}))
"""
GLOO_RANK = {"PADDLE_DISTRI_BACKEND": "gloo", "PADDLE_TRAINER_ID": "1", "PADDLE_TRAINERS_NUM": "4"}


@pytest.fixture
def packages(weird_path: Path) -> Path:
    root = weird_path.parent / "packages, and 'more'"
    for name, text in STUB.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def run(script: str, env: dict[str, str], *path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**env, "PYTHONPATH": ":".join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_gloo_rank_builds_the_world_once_and_smaller_groups_themselves(packages: Path) -> None:
    told = json.loads(run(SCRIPT, GLOO_RANK, SHIM, packages))
    assert told == {"fleet shares": True, "pair": ["s", 1, 2, 11]}


@pytest.mark.parametrize(
    "env",
    [
        {},
        {**GLOO_RANK, "PADDLE_DISTRI_BACKEND": "xccl"},
        {"PADDLE_DISTRI_BACKEND": "gloo"},  # the launcher itself, or a program that only inherited the variable
    ],
    ids=["no rank", "a rank on cards", "not started by the launcher"],
)
def test_every_other_program_is_left_as_it_is(packages: Path, env: dict[str, str]) -> None:
    assert json.loads(run(SCRIPT, env, SHIM, packages))["fleet shares"] is False


@pytest.mark.parametrize("env", [{}, GLOO_RANK], ids=["no rank", "gloo rank"])
def test_a_sitecustomize_that_it_hides_is_run_and_is_the_one_that_others_import(
    packages: Path, env: dict[str, str]
) -> None:
    (packages / "sitecustomize.py").write_text("SITE = 'of the host'\nprint('ran')")
    script = "import sitecustomize, sys; print(sitecustomize.SITE, sitecustomize.__file__ == sys.argv[0])"
    assert run(script, env, SHIM, packages).split("\n")[:2] == ["ran", "of the host False"]


def test_a_paddle_without_gloo_is_left_alone(packages: Path) -> None:
    (packages / "paddle/core.py").write_text("")
    assert run("import paddle.distributed; print('imported')", GLOO_RANK, SHIM, packages) == "imported\n"
