"""The lock beside a config: written by the first submit, kept to by the next, moved on wish, and a way back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.lab import Lab
from tests.wheels import make_wheel

SHOW = ["python", "-c", "import tiny; print('tiny is', tiny.VALUE)"]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "tiny", "1.0", value=1, needs=["helper-of-tiny"])
    make_wheel(folder, "helper-of-tiny", "0.5")
    return folder


def write_config(lab: Lab, wheels: Path, *wanted: str, **values: Any) -> None:
    install = [["--no-index", "--find-links", str(wheels), *(wanted or ("tiny",))]]
    config = {"template": "packages", "name": "pinned", "values": {"steps": [SHOW], "install": install, **values}}
    (lab.laptop / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def resolutions(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.run("lock", "config.yaml", "--json").json()["data"]["resolutions"]
    return found


def trained_with(lab: Lab, *args: str) -> str:
    """Submit and run to the end; what the stage said."""
    status = lab.wait(lab.submit(*args))
    assert status["state"] == "SUCCEEDED", status["reason"]
    log: str = lab.run("logs", status["run_id"], "--stage", "train").out
    return log.splitlines()[-1]


@pytest.mark.slow
def test_what_the_first_submit_found_is_what_later_ones_install_until_upgrade_and_there_is_a_way_back(
    ssh_lab: Lab, wheels: Path
) -> None:
    lab = ssh_lab
    write_config(lab, wheels)
    said = lab.run("submit", "config.yaml", "-i", str(lab.inventory))
    assert "2 packages pinned: resolution 1 in config.lock" in said.err
    lab.wait(said.out.strip())
    text = (lab.laptop / "config.lock").read_text()
    assert "name: tiny, version: '1.0'" in text and "sha256: " in text
    assert str(wheels) not in text, "where packages come from is the config's to say"
    make_wheel(wheels, "tiny", "2.0", value=2)
    assert trained_with(lab) == "tiny is 1", "a newer version is there, and the lock holds"
    (used,) = resolutions(lab)
    assert [row["version"] for row in used["packages"]] == ["0.5", "1.0"]
    assert used["worked"]["environment"] and used["worked"]["training"] == said.out.strip()
    assert len(list((lab.work_dir / "environments").glob("*/pyvenv.cfg"))) == 1, "one environment for both"
    assert trained_with(lab, "--upgrade") == "tiny is 2"
    assert [(each["number"], each["current"]) for each in resolutions(lab)] == [(1, False), (2, True)]
    shown = lab.run("lock", "config.yaml", "--use", "1").out
    assert shown.splitlines()[1].startswith("1  yes"), shown
    assert trained_with(lab) == "tiny is 1"


def pinned(lab: Lab, *args: str) -> list[dict[str, Any]]:
    """The lock after a submit; its run is not waited for."""
    run_id = lab.submit(*args)
    lab.run("cancel", run_id, "--grace", "0")
    return resolutions(lab)


@pytest.mark.slow
def test_what_is_to_be_had_no_more_is_named_with_the_way_on(local_lab: Lab, wheels: Path) -> None:
    write_config(local_lab, wheels)
    pinned(local_lab)
    (wheels / "tiny-1.0-py3-none-any.whl").unlink()
    make_wheel(wheels, "tiny", "1.1", value=11)
    status = local_lab.wait(local_lab.submit())
    assert status["state"] == "FAILED"
    assert "No matching distribution found for tiny==1.0" in status["reason"]
    assert "jobctl submit --upgrade" in status["reason"]
    make_wheel(wheels, "tiny", "1.0", value=666)
    status = local_lab.wait(local_lab.submit())
    assert "the index has another file of this version than the lock" in status["reason"]
    assert pinned(local_lab, "--upgrade")[-1]["packages"][-1]["version"] == "1.1"


def test_nightlies_of_different_days_are_refused_before_anything_is_built(local_lab: Lab, wheels: Path) -> None:
    make_wheel(wheels, "paddlepaddle", "3.0.0.dev20250102")
    make_wheel(wheels, "paddle-custom-npu", "3.0.0.dev20250105")
    write_config(local_lab, wheels, "--pre", "paddlepaddle", "paddle-custom-npu")
    said = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=2)
    assert "paddlepaddle 3.0.0.dev20250102 and paddle-custom-npu 3.0.0.dev20250105 are builds of different" in said.err
    assert "paddlepaddle==3.0.0.dev20250102 and paddle-custom-npu==3.0.0.dev20250102" in said.err
    assert local_lab.runs_on_host() == [] and not (local_lab.laptop / "config.lock").exists()
    assert not list((local_lab.work_dir / "environments").glob("*")), "nothing is left of the look"


def test_other_requirements_in_the_code_are_resolved_anew(local_lab: Lab, wheels: Path) -> None:
    requirements = local_lab.laptop / "code" / "requirements.txt"
    requirements.write_text(f"--no-index\n--find-links {wheels}\nhelper-of-tiny\n")
    write_config(local_lab, wheels, install=[["-r", "requirements.txt"]])
    assert [len(each["packages"]) for each in pinned(local_lab)] == [1]
    requirements.write_text(requirements.read_text() + "tiny\n")
    assert [len(each["packages"]) for each in pinned(local_lab)] == [1, 2]


def test_code_that_the_host_clones_is_read_there_for_its_requirements(local_lab: Lab, wheels: Path) -> None:
    upstream = local_lab.laptop / "upstream"
    upstream.mkdir()
    (upstream / "requirements.txt").write_text(f"--no-index\n-f {wheels}\ntiny\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=upstream, check=True)
    code = {"git": f"file://{upstream}", "ref": "main"}
    write_config(local_lab, wheels, install=[["-r", "requirements.txt"]], code=code)
    first = pinned(local_lab)
    assert [package["name"] for package in first[0]["packages"]] == ["helper-of-tiny", "tiny"]
    make_wheel(wheels, "tiny", "2.0", value=2)
    assert pinned(local_lab) == first


def test_packages_that_contradict_each_other_are_told_before_a_run_is_made(local_lab: Lab, wheels: Path) -> None:
    write_config(local_lab, wheels, "tiny==1.0", "helper-of-tiny==9")
    said = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=2)
    assert "No matching distribution found for helper-of-tiny==9" in said.err
    assert local_lab.runs_on_host() == []


def test_a_lock_with_a_mistake_is_told_with_its_place(local_lab: Lab, wheels: Path) -> None:
    write_config(local_lab, wheels)
    (local_lab.laptop / "config.lock").write_text("version: 1\nresolutions:\n  - {number: 1, nmae: x}\n")
    said = local_lab.run("lock", "config.yaml", expect=2)
    assert "config.lock:3" in said.err


def test_a_package_that_no_list_would_install_is_told_and_no_run_is_made(local_lab: Lab, wheels: Path) -> None:
    write_config(local_lab, wheels)
    pinned(local_lab)
    lock, before = local_lab.laptop / "config.lock", local_lab.runs_on_host()
    lock.write_text(lock.read_text().replace("version: '1.0', list: 0", "version: '1.0', list: 5"))
    said = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=2)
    assert "tiny: list 5" in said.err and "--upgrade" in said.err
    assert local_lab.runs_on_host() == before
