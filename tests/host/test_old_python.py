"""The host program under every Python that is found here, from 3.7 on: hosts have what they have."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from jobctl.remote.bootstrap import make_host_program
from tests.host.runs import make_job, marked_processes, python_stage, stage_run, train_stage

VERSIONS = [f"3.{minor}" for minor in range(7, 15)]
PYENV = Path.home() / ".pyenv" / "versions"


def find_python(version: str) -> str | None:
    """An interpreter of this version, on PATH or from pyenv."""
    places = [shutil.which(f"python{version}"), *map(str, sorted(PYENV.glob(f"{version}.*/bin/python{version}")))]
    for place in places:
        if place and subprocess.run([place, "-c", "pass"], capture_output=True).returncode == 0:
            return place
    return None


PYTHONS = {version: find_python(version) for version in VERSIONS}
FOUND = [version for version in VERSIONS if PYTHONS[version]]

IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import jobctl_host
for module in pkgutil.iter_modules(jobctl_host.__path__):
    importlib.import_module("jobctl_host." + module.name)
    print(module.name)
"""
RUN = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from jobctl_host import control, states
root = Path(sys.argv[2])
control.start(root, "old-1")
control.start(root, "old-2")
while control.status(root / "runs" / "old-1")["state"] not in states.FINAL:
    time.sleep(0.02)
while not control.status(root / "runs" / "old-2")["progress"]:
    time.sleep(0.02)
control.cancel(root, "old-2", grace_s=0.2)
print(json.dumps(control.list_runs(root)))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "host program.pyz"
    path.write_bytes(make_host_program().data)
    return path


def run_python(version: str, script: str, *arguments: str) -> str:
    argv = [str(PYTHONS[version]), "-W", "error", "-c", script, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("version", FOUND)
def test_every_module_can_be_imported(version: str, program: Path) -> None:
    names = run_python(version, IMPORT_ALL, str(program)).split()
    sources = Path(__file__).parents[2] / "jobctl" / "host"
    assert sorted(names) == sorted(path.stem for path in sources.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("version", sorted({*FOUND[:1], *FOUND[-1:]}))
def test_a_run_succeeds_and_another_is_cancelled(version: str, program: Path, weird_path: Path) -> None:
    stage_run(weird_path, make_job("old-1", [python_stage("s", "open('output/x', 'w').write('1')")]))
    stage_run(weird_path, make_job("old-2", [train_stage({"iters": 100000, "ignore_term": True})], submitted_at=2.0))
    runs = json.loads(run_python(version, RUN, str(program), str(weird_path)))
    assert [run["state"] for run in runs] == ["SUCCEEDED", "CANCELLED"], runs
    assert marked_processes(weird_path / "runs" / "old-2") == []
