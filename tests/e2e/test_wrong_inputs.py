"""Everything that is wrong gets one clear message, the next step, the right exit code, and leaves nothing half-done."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.e2e.lab import Lab, Said, python
from tests.sshd import Sshd, free_port, make_key, running_sshd


def submit(lab: Lab, *args: str, expect: int) -> Said:
    """A submit that is refused: one error, nothing on the host, nothing remembered here."""
    said = lab.run("submit", "config.yaml", "-i", str(lab.inventory), *args, expect=expect)
    assert said.out == ""
    assert said.err.count("error: ") == 1, said.err
    assert lab.runs_on_host() == []
    assert not list((lab.work_dir / "staging").glob("*")) if (lab.work_dir / "staging").exists() else True
    assert lab.run("ps", "--json").json()["data"] == []
    return said


@dataclass(frozen=True)
class Case:
    """What is changed in a good setting, and what the message must say."""

    name: str
    exit_code: int
    says: tuple[str, ...]
    config: dict[str, object] | str | None = None
    values: dict[str, object] | None = None
    host: dict[str, object] | None = None
    args: tuple[str, ...] = ()


CASES = (
    Case(
        "unknown key in the config",
        2,
        ("config.yaml:2", "vlaues", "values"),
        config="template: steps\nvlaues: {}\n",
    ),
    Case("YAML that is none", 2, ("config.yaml:2",), config="template: steps\n  values: [\n"),
    Case("unknown value", 2, ("stepz", "steps"), values={"stepz": []}),
    Case("missing value", 2, ("steps", "config.yaml"), config={"template": "steps", "values": {}}),
    Case("wrong type", 2, ("steps", "list"), values={"steps": 7}),
    Case("no such template", 2, ("stepps", "steps"), config={"template": "stepps"}),
    Case("host not in the inventory", 2, ("bax", "box"), args=("--host", "bax")),
    Case("bad --set", 2, ("--set",), args=("--set", "novalue")),
    Case("bad --cards", 2, ("--cards",), args=("--cards", "four")),
    Case("--cards that go down", 2, ("7-4", "4-7"), args=("--cards", "7-4")),
    Case("--cards without end", 2, ("--cards",), args=("--cards", "0-99999999999")),
    Case("--cards in other digits", 2, ("--cards",), args=("--cards", "²")),
    Case("--cards for a job on CPUs", 2, ("device: cpu",), args=("--cards", "0")),
    Case("unknown key in the inventory", 2, ("inventory.yaml", "prot", "port"), host={"prot": 22}),
    Case(
        "data folder missing here",
        2,
        ("nowhere", "on_host"),
        values={"data": [{"name": "d", "path": "nowhere", "link": "in"}]},
    ),
    Case(
        "data folder missing there",
        3,
        ("/no/where", "on_host"),
        values={"data": [{"name": "d", "on_host": "/no/where", "link": "in"}]},
    ),
    Case("code folder missing", 2, ("no code",), values={"code": {"path": "no code"}}),
    Case("path that leads outside", 2, ("..", "must_leave"), values={"must_leave": ["../x"]}),
    Case("secret that is not set", 2, ("NO_SUCH_TOKEN", "export"), values={"secrets": ["NO_SUCH_TOKEN"]}),
    Case("no Python on the host", 3, ("no-such-python", "python:"), host={"python": "no-such-python"}),
    Case("work_dir that cannot be written", 3, ("/proc/jobctl", "work_dir"), host={"work_dir": "/proc/jobctl"}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_said_what_is_wrong_and_nothing_is_left(local_lab: Lab, case: Case) -> None:
    check(local_lab, case)


@pytest.mark.parametrize("case", [case for case in CASES if case.exit_code == 3], ids=lambda case: case.name)
def test_what_only_the_host_can_tell_is_said_by_ssh_too(ssh_lab: Lab, case: Case) -> None:
    check(ssh_lab, case)


def check(lab: Lab, case: Case) -> None:
    lab.write_config(["true"], **(case.values or {}))
    if case.config is not None:
        text = case.config if isinstance(case.config, str) else yaml.safe_dump(case.config)
        (lab.laptop / "config.yaml").write_text(text)
    if case.host is not None:
        change_host(lab, **case.host)
    said = submit(lab, *case.args, expect=case.exit_code)
    for word in case.says:
        assert word in said.err, said.err


def change_host(lab: Lab, **fields: object) -> None:
    inventory = json.loads(lab.inventory.read_text())
    inventory["hosts"]["box"].update(fields)
    lab.inventory.write_text(json.dumps(inventory))


def test_a_template_with_a_mistake_is_named_with_file_and_line(local_lab: Lab) -> None:
    lab = local_lab
    lab.write_config(["true"])
    path = lab.laptop / "templates" / "steps" / "job.yaml.j2"
    path.write_text(path.read_text().replace("{{ code }}", "{{ kode }}"))
    said = submit(lab, expect=2)
    assert "kode" in said.err and "job.yaml.j2:4" in said.err
    path.write_text(path.read_text().replace("{{ kode }}", "{{ code"))
    assert "job.yaml.j2" in submit(lab, expect=2).err


GIT_CASES: tuple[tuple[str, str, str, int], ...] = (
    ("laptop", "a repository", "no-such-branch", 2),
    ("host", "a repository", "no-such-branch", 2),
    ("laptop", "no repository", "main", 2),
    ("host", "no repository", "main", 3),
)


@pytest.mark.parametrize(("fetch", "which", "ref", "exit_code"), GIT_CASES)
def test_a_git_repository_or_ref_that_is_missing_is_named(
    lab: Lab, fetch: str, which: str, ref: str, exit_code: int
) -> None:
    repository = lab.laptop / "a repository"
    git_commit(repository, {"a.txt": "a"})
    lab.write_config(["true"], code={"git": str(lab.laptop / which), "ref": ref, "fetch": fetch})
    said = submit(lab, expect=exit_code)
    assert (ref if which == "a repository" else which) in said.err


def git_commit(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *args], cwd=folder, check=True)


OTHER_PYTHONS = {
    "too old": ("sys.version_info = (3, 6, 15)", ("3.6.15", "3.7")),
    "not on Linux": ('sys.platform = "darwin"', ("must be Linux", "darwin")),
}


@pytest.mark.parametrize("name", OTHER_PYTHONS)
def test_a_host_that_cannot_be_one_is_told_with_the_reason(lab: Lab, name: str) -> None:
    """Imitates another interpreter: the real one, with another word in `sys`."""
    change, wanted = OTHER_PYTHONS[name]
    other = lab.laptop / "other python"
    other.write_text(f"#!/bin/sh\nshift\nexec python3 -c 'import sys; {change}; exec(sys.argv[1])' \"$1\"\n")
    other.chmod(other.stat().st_mode | stat.S_IXUSR)
    change_host(lab, python=str(other))
    lab.write_config(["true"])
    said = submit(lab, expect=3)
    assert all(word in said.err for word in wanted)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_host_without_space_says_so_and_keeps_nothing_half(lab: Lab, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], check=False).returncode != 0:
        pytest.skip("this machine does not let its root mount a tmpfs")
    try:
        change_host(lab, work_dir=str(small / "work"))
        (lab.laptop / "code" / "large").write_bytes(os.urandom(600_000))
        lab.write_config(["true"])
        said = lab.run("submit", "config.yaml", "-i", str(lab.inventory), expect=3)
        assert "space" in said.err and str(small) in said.err
        assert not list((small / "work").glob("runs/*")) and not list((small / "work").glob("trees/*"))
        assert lab.run("ps", "--json").json()["data"] == []
        (lab.laptop / "code" / "large").unlink()
        assert lab.wait(lab.submit())["state"] == "SUCCEEDED"
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def _refused(lab: Lab, sshd: Sshd) -> None:
    change_host(lab, port=free_port())


def _unknown_key(lab: Lab, sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")


def _changed_key(lab: Lab, sshd: Sshd) -> None:
    make_key(sshd.folder / "other_key")
    other = " ".join((sshd.folder / "other_key.pub").read_text().split()[:2])
    sshd.known_hosts.write_text(f"{sshd.name_in_known_hosts} {other}\n")


def _wrong_key(lab: Lab, sshd: Sshd) -> None:
    make_key(sshd.folder / "nobody")
    change_host(lab, identity_file=str(sshd.folder / "nobody"))


def _no_such_name(lab: Lab, sshd: Sshd) -> None:
    change_host(lab, address="no-such-host.invalid")


SSH_CASES: tuple[tuple[Callable[[Lab, Sshd], None], tuple[str, ...]], ...] = (
    (_refused, ("refused",)),
    (_unknown_key, ("SHA256:", "known_hosts", "printf ")),
    (_changed_key, ("SHA256:", "ssh-keygen")),
    (_wrong_key, ("publickey",)),
    (_no_such_name, ("no-such-host.invalid",)),
)


@pytest.mark.parametrize(("spoil", "says"), SSH_CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_host_that_cannot_be_reached_is_told_apart(
    spoil: Callable[[Lab, Sshd], None], says: tuple[str, ...], ssh_lab: Lab, tmp_path: Path
) -> None:
    with running_sshd(tmp_path / "own sshd") as sshd:
        ssh_lab.inventory.write_text(sshd.inventory("box", work_dir=str(ssh_lab.work_dir)))
        spoil(ssh_lab, sshd)
        ssh_lab.write_config(["true"])
        said = submit(ssh_lab, expect=3)
        for word in says:
            assert word in said.err, said.err
        assert "next:" in said.err, said.err


def test_the_command_that_an_unknown_host_key_prints_adds_it(ssh_lab: Lab, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "own $(sshd)") as sshd:
        ssh_lab.inventory.write_text(sshd.inventory("box", work_dir=str(ssh_lab.work_dir)))
        sshd.known_hosts.write_text("")
        ssh_lab.write_config(python("print('in')"))
        said = submit(ssh_lab, expect=3)
        command = next(line for line in said.err.splitlines() if "next:" in line).split("next:", 1)[1]
        subprocess.run(["sh", "-c", command], check=True)
        assert ssh_lab.wait(ssh_lab.submit())["state"] == "SUCCEEDED"


OTHER_WORDS: tuple[tuple[tuple[str, ...], int, str], ...] = (
    (("cancel", ""), 5, "empty"),
    (("cancel", "--grace", "nan"), 2, "grace"),
    (("cancel", "--grace", "-1"), 2, "grace"),
    (("pull", "--to", ""), 2, "empty"),
    (("logs", "--stage", "nope"), 2, "stages: train"),
    (("logs", "nope"), 5, "jobctl ps"),
)


def test_a_file_that_has_no_end_is_told(local_lab: Lab) -> None:
    assert "the config file is larger than" in local_lab.run("render", "/dev/zero", expect=2).err
    assert "the inventory file is larger than" in local_lab.run("gc", "-i", "/dev/zero", expect=2).err


def test_words_that_mean_nothing_do_nothing(local_lab: Lab) -> None:
    local_lab.write_config(["true"])
    local_lab.wait(local_lab.submit())
    before = sorted(local_lab.laptop.iterdir())
    for args, exit_code, word in OTHER_WORDS:
        said = local_lab.run(*args, expect=exit_code)
        assert word in said.err and said.out == "", said
    assert sorted(local_lab.laptop.iterdir()) == before
