"""`jobctl.Runs`: pandas frames of real runs, in a Python of its own as a notebook has it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, blocks
from tests.e2e.lab import Lab, python
from tests.monitor.runs import CAPTURED

SAY = "import sys; print(open(sys.argv[1]).read(), flush=True)"


@pytest.fixture
def two_runs(local_lab: Lab) -> tuple[Lab, str, str]:
    """A training, and another with another learning rate that failed."""
    local_lab.write_config(python(SAY, str(CAPTURED), "--learning_rate", "0.01"))
    first = local_lab.submit()
    local_lab.wait(first)
    local_lab.write_config(python("import sys; sys.exit(3)", "--learning_rate", "0.1"))
    second = local_lab.submit()
    local_lab.wait(second)
    return local_lab, first, second


def ask(lab: Lab, code: str, *args: str) -> Any:
    """What the code prints as its last line, which is JSON."""
    argv = [sys.executable, "-W", "error", "-c", code, *args]
    done = subprocess.run(argv, cwd=lab.laptop, env=lab.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


FRAMES = """
import json, sys
from jobctl import Runs
runs, run = Runs(), sys.argv[1]
train, evals, classes = runs.metrics(run), runs.evals(run), runs.classes(run)
print(json.dumps([
    [train.index.name, len(train), train.loss.tolist(), str(train.time.dtype), train.attrs["run_id"]],
    [evals.index.tolist(), evals.miou.tolist()],
    [classes.columns.tolist()[:4], len(classes)],
    [runs.samples(run).index.name, "cpu_percent" in runs.samples(run)],
    len(runs.metrics(sys.argv[2])),
]))
"""


def test_metrics_are_frames_with_the_numbers_that_were_printed(two_runs: tuple[Lab, str, str]) -> None:
    lab, first, second = two_runs
    train, evals, classes, samples, nothing = ask(lab, FRAMES, first, second)
    printed = [float(loss) for loss in re.findall(r"loss: ([\d.]+)", CAPTURED.read_text())]
    assert train[:3] == ["iter", 12, printed] and train[3].startswith("datetime64") and train[4] == first
    assert len(evals[0]) == len(evals[1]) == classes[1] and evals[1][-1] == pytest.approx(0.2194, abs=0.01)
    assert classes[0] == ["time", "attempt", "road", "sidewalk"]
    assert samples[0] == "time" and nothing == 0


TABLE = """
from jobctl import Runs
found = Runs().frame()
print(found[["state", "host", "best_miou", "train --learning_rate"]].reset_index().to_json(orient="values"))
"""


def test_a_row_for_each_run_has_the_values_that_differ(two_runs: tuple[Lab, str, str]) -> None:
    lab, first, second = two_runs
    rows = ask(lab, TABLE)
    assert rows == [[second, "FAILED", "box", None, "0.1"], [first, "SUCCEEDED", "box", pytest.approx(0.2194), "0.01"]]
    (lab.laptop / "inventory.yaml").unlink()
    (lab.work_dir / "runs").rename(lab.work_dir / "gone")
    assert [row[-1] for row in ask(lab, TABLE)] == ["0.1", "0.01"], "job.json is kept here"


def test_the_example_of_the_documentation_runs_as_it_stands(two_runs: tuple[Lab, str, str]) -> None:
    lab, _, _ = two_runs
    code = next(block.text for block in blocks(ROOT / "docs" / "ecosystem.md") if block.mark == "python: frames")
    lab.run("submit", "config.yaml", "-i", str(lab.inventory))
    shown = ask(lab, f"{code}\nprint('[1]')")
    assert shown == [1]


def test_without_pandas_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "pandas.py").write_text("raise ImportError('not here')")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from jobctl import Runs; Runs().frame()"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "pip install 'jobctl[pandas]'" in done.stderr and done.returncode == 1


def test_importing_jobctl_brings_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import jobctl; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert sorted(done.stdout.split()) == ["__future__", "jobctl"]
