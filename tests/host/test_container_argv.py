"""The engine's command lines: cases as data, and what the scripts in the container do, in this machine's own bash."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from jobctl.host.ascend_parts import NoDevice, groups_of, node_numbers
from jobctl.host.cards import device_files
from jobctl.host.container_argv import ENVIRON_SCRIPT, Box, Mount, environ_bytes, run_argv
from jobctl.host.container_parts import pip_settings
from jobctl.host.engine import problem_of
from jobctl.host.fingerprint import make_fingerprint
from tests.conftest import WEIRD_NAME

BASH = shutil.which("bash") or "bash"
CASES = sorted((Path(__file__).parent / "data/container_argv").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_command_line_of_a_container(path: Path) -> None:
    case = json.loads(path.read_text())
    box = Box(**{**case["box"], "mounts": [Mount(*mount) for mount in case["box"]["mounts"]]})
    assert run_argv(box, case["workdir"], "SCRIPT", case["argv"]) == case["expected"]


def become(told: bytes, *argv: str) -> subprocess.CompletedProcess[bytes]:
    script = [BASH, "--noprofile", "--norc", "-c", ENVIRON_SCRIPT, "jobctl", *argv]
    return subprocess.run(script, input=told, capture_output=True, env={"OF_THE_IMAGE": "1", "PATH": "/nowhere"})


def test_a_step_gets_exactly_the_environment_that_is_sent() -> None:
    sent = {"PATH": "/usr/bin:/bin", "ODD": WEIRD_NAME, "EMPTY": "", "EQUAL": "a=b=c", "IFS": ":"}
    done = become(environ_bytes(sent), "env", "-0")
    assert done.returncode == 0, done.stderr
    found = dict(entry.decode().split("=", 1) for entry in done.stdout.split(b"\0") if entry)
    assert {name: found.get(name) for name in sent} == sent
    assert set(found) - set(sent) <= {"_", "SHLVL", "PWD", "OLDPWD"}


@pytest.mark.parametrize("kept", [0, 1, 10, -1], ids=lambda kept: f"{kept} bytes")
def test_nothing_starts_when_the_environment_is_cut_short(kept: int, tmp_path: Path) -> None:
    done = become(environ_bytes({"PATH": "/usr/bin:/bin", "A": "b"})[:kept], "/usr/bin/touch", str(tmp_path / "begun"))
    assert (done.returncode, list(tmp_path.iterdir())) == (75, [])
    assert b"its supervisor was gone" in done.stderr


def test_a_step_has_no_standard_input_and_its_exit_code_is_kept() -> None:
    assert become(environ_bytes({"PATH": "/usr/bin:/bin"}), "bash", "-c", "read x; exit $((40 + $?))").returncode == 41


def test_cards_are_counted_among_the_nodes_that_are_there(tmp_path: Path) -> None:
    for name in ("davinci0", "davinci1", "davinci4", "davinci10", "davinci_manager"):
        (tmp_path / name).touch()
    nodes = device_files(tmp_path)
    assert node_numbers([0, 2, 3], nodes) == [0, 4, 10]
    with pytest.raises(NoDevice, match=r"more cards than there are /dev/davinci\* \(4\)"):
        node_numbers([4], nodes)
    with pytest.raises(NoDevice, match=r"no /dev/davinci\*"):
        node_numbers([0], device_files(tmp_path / "none"))


def test_a_node_that_only_its_group_may_use_names_that_group(tmp_path: Path) -> None:
    for name, mode in {"group": 0o660, "all": 0o666, "owner": 0o600}.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    paths = [str(tmp_path / name) for name in ("group", "all", "owner", "none")]
    assert groups_of(paths) == [(tmp_path / "group").stat().st_gid]
    assert groups_of(paths[1:]) == []


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        (  # docker 20.10
            "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
            "Get ...: dial unix /var/run/docker.sock: connect: permission denied",
            "permission denied at its socket",
            "usermod -aG docker",
        ),
        (  # docker 28
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: ...",
            "permission denied at its socket",
            "usermod -aG docker",
        ),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "its daemon does not answer",
            "systemctl start docker",
        ),
        ("unknown flag: --format\nSee 'docker info --help'.", "docker does not work: unknown flag: --format", ""),
        ("", "docker does not work: it says nothing", ""),
    ],
)
def test_what_is_wrong_with_an_engine(said: str, what: str, hint: str) -> None:
    problem = problem_of("docker", said)
    assert what in str(problem)
    assert hint in problem.hint


def test_pip_looks_for_packages_where_the_login_does(tmp_path: Path) -> None:
    first, second, broken = (tmp_path / name for name in ("first", "second", "broken"))
    first.write_text("[global]\nindex-url = https://one.example.org/simple\ncert = /etc/own.pem\ntimeout = 5\n")
    second.write_text(
        "[install]\nindex-url = https://two.example.org/%40simple\nextra-index-url =\n  https://a\n  https://b\n"
    )
    broken.write_bytes(b"no section = \xff\n")
    files = [str(path) for path in (first, second, broken, tmp_path / "none")]
    found = pip_settings({"PIP_TIMEOUT": "9", "PIP_CERT": "/etc/own.pem", "HOME": "/home/alice"}, files)
    assert {name: value.split() for name, value in found.items()} == {
        "PIP_INDEX_URL": ["https://two.example.org/%40simple"],
        "PIP_EXTRA_INDEX_URL": ["https://a", "https://b"],
        "PIP_TIMEOUT": ["9"],
    }


def test_another_image_is_another_environment(tmp_path: Path) -> None:
    python = {"executable": "/usr/bin/python3", "version": "3.9.18", "tag": "cpython-39", "arch": "aarch64"}
    pythons = [python, {**python, "image": "sha256:1"}, {**python, "image": "sha256:2"}]
    assert len({make_fingerprint({}, one, tmp_path, "r-1") for one in pythons}) == 3
