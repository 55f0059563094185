"""`pull --follow`: each checkpoint is here as soon as it is complete, none is ever here half; `--limit-rate`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.lab import Lab, python
from tests.e2e.test_cut_connections import cut, sshd
from tests.sshd import Sshd

__all__ = ["sshd"]  # a fixture

TRAINING = """
import os, pathlib, pickle, shutil, sys, time
def wait(name):
    while not os.path.exists(os.path.join(sys.argv[1], name)):
        time.sleep(0.01)
def save(number, half=False):
    folder = pathlib.Path("output") / f"iter_{number}"
    folder.mkdir(parents=True, exist_ok=True)
    whole = pickle.dumps([number, b"x" * 2_000_000], protocol=4)
    (folder / "model.pdparams").write_bytes(whole[:-1000] if half else whole)
save(2)
save(4, half=True)
wait("finish the second")
save(4)
wait("prune")
shutil.rmtree("output/iter_2")
save(6)
wait("end")
"""


def eventually(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Following:
    """A training that does the next thing when it is told to, and a follower of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.signals = lab.laptop / "signals"
        self.signals.mkdir()
        values = {"steps": [python(TRAINING, str(self.signals))]}
        config = {"template": "training", "name": "trial", "values": values}
        (lab.laptop / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self.run_id = lab.submit()
        self.output = lab.work_dir / "runs" / self.run_id / "output"
        self.there = lab.laptop / "there" / "output"
        self.process = self.follow()

    def follow(self) -> subprocess.Popen[bytes]:
        argv = self.lab.argv("pull", "--follow", self.run_id, "--to", "there")
        return subprocess.Popen(
            argv, cwd=self.lab.laptop, env=self.lab.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def tell(self, word: str) -> None:
        (self.signals / word).touch()

    def has(self, name: str) -> None:
        """Waits until a checkpoint is here, as it is on the host."""
        here, there = self.there / name / "model.pdparams", self.output / name / "model.pdparams"
        eventually(here.exists, f"{name} was not brought")
        assert here.read_bytes() == there.read_bytes()

    def end(self) -> str:
        self.tell("end")
        out, told = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, told
        return out.decode() + told.decode()


@pytest.fixture
def following(request: pytest.FixtureRequest) -> Iterator[Callable[[Lab], Following]]:
    made: list[Following] = []

    def make(lab: Lab) -> Following:
        made.append(Following(lab))
        return made[-1]

    yield make
    for one in made:
        for word in ("finish the second", "prune", "end"):
            one.tell(word)
        one.process.kill()
        one.process.communicate()
        one.lab.wait(one.run_id)


def test_checkpoints_are_brought_when_they_are_complete_and_stay(
    lab: Lab, following: Callable[[Lab], Following]
) -> None:
    one = following(lab)
    one.has("iter_2")
    lab.run("pull", one.run_id, "--to", "elsewhere")
    assert not (one.there / "iter_4").exists(), "it is half"
    one.tell("finish the second")
    one.has("iter_4")
    one.tell("prune")
    one.has("iter_6")
    assert not list(one.there.rglob("*.part"))
    said = one.end()
    assert "iter_6 is here" in said and "the run is over" in said
    assert sorted(path.name for path in one.there.iterdir()) == ["iter_2", "iter_4", "iter_6"], (
        "nothing is removed here"
    )
    assert (lab.laptop / "there" / "logs" / "train.log").exists(), "at the end it brings what pull brings"


def test_a_follower_outlives_its_connections_and_its_own_death(
    ssh_lab: Lab, sshd: Sshd, following: Callable[[Lab], Following]
) -> None:
    lab = ssh_lab
    lab.inventory.write_text(
        sshd.inventory("box", work_dir=str(lab.work_dir), lease_dir=str(lab.laptop.parent / "leases"))
    )
    one = following(lab)
    one.has("iter_2")
    cut(sshd)
    one.tell("finish the second")
    one.has("iter_4")
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.communicate()
    one.tell("prune")
    one.process = one.follow()
    one.has("iter_6")
    one.end()


def test_a_half_model_is_in_no_pull_though_an_artifact_names_it(local_lab: Lab) -> None:
    write = "import pickle; data = pickle.dumps([1, b'x' * 100_000], protocol=4)\n"
    write += "import pathlib; folder = pathlib.Path('output/best_model'); folder.mkdir()\n"
    write += "(folder / 'model.pdparams').write_bytes(data[:-5]); open('output/other', 'w').write('fine')\n"
    template = (local_lab.laptop / "templates" / "training" / "job.yaml.j2").read_text()
    template += 'artifacts: [{name: all, path: "output/**"}]\n'
    (local_lab.laptop / "templates" / "training" / "job.yaml.j2").write_text(template)
    config = {"template": "training", "name": "trial", "values": {"steps": [python(write)]}}
    (local_lab.laptop / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    local_lab.run("pull", run_id, "--to", "there")
    assert [path.name for path in Path(local_lab.laptop, "there", "output").iterdir()] == ["other"]


@pytest.mark.parametrize("rate", ["10", "fast", "-1M", "5MB", "", "0k"])
def test_a_limit_that_is_none_is_a_mistake_of_the_user(local_lab: Lab, rate: str) -> None:
    local_lab.write_config(["true"])
    for args in (["pull"], ["submit", "config.yaml", "-i", str(local_lab.inventory)]):
        said = local_lab.run(*args, "--limit-rate", rate, expect=2)
        assert "--limit-rate" in said.err
    assert local_lab.runs_on_host() == []


def test_a_limit_holds_up_and_down(local_lab: Lab) -> None:
    lab = local_lab
    (lab.laptop / "data").mkdir()
    (lab.laptop / "data" / "big").write_bytes(os.urandom(12_000_000))
    copy = "import shutil; shutil.copy('data/d/big', 'output/big')"
    lab.write_config(
        python(copy),
        data=[{"name": "d", "path": "data", "link": "data/d"}],
        artifacts=[{"name": "big", "path": "output/big"}],
    )
    start = time.monotonic()
    run_id = lab.submit("--limit-rate", "6M")
    assert time.monotonic() - start > 12 / 6
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
    start = time.monotonic()
    lab.run("pull", run_id, "--to", "there", "--limit-rate", "6M")
    assert time.monotonic() - start > 12 / 6
    assert (lab.laptop / "there" / "output" / "big").read_bytes() == (lab.laptop / "data" / "big").read_bytes()
