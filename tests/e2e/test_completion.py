"""`jobctl completion`, asked by the shells themselves; of what is written here, whatever the hosts do."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest

from jobctl.cli import COMMANDS, cli
from jobctl.laptop.records import Record, Records
from tests.conftest import WEIRD_NAME

RUN = "trial-20261123-5f3a"
STAGES = {"state": "FAILED", "stages": [{"name": name, "state": "FAILED"} for name in ("environment", "train")]}
HOST = {"transport": "ssh", "address": "lab-a.invalid", "name": "lab-a"}


@pytest.fixture
def shell_home(tmp_path: Path) -> Path:
    """A user's folder: `jobctl` on the PATH, a run, an inventory. No host of it can be reached."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "jobctl"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m jobctl "$@"\n')
    program.chmod(0o755)
    (tmp_path / "inventory.yaml").write_text("hosts: {lab-a: {address: lab-a.invalid}, lab-b: {}, other: {}}\n")
    records = Records(tmp_path / "home" / "runs")
    records.save(Record(RUN, "trial", "lab-a", HOST, 1.0, status=STAGES))
    records.save(Record("zebra-20261123-0001", "zebra", "lab-a", HOST, 0.0))
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "JOBCTL_HOME": str(home / "home"), "HOME": str(home), "PYTHONPATH": root}


def by_bash(home: Path, *lines: str) -> list[list[str]]:
    script = 'eval "$(jobctl completion bash)"\nask() { COMPREPLY=(); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
    script += '_jobctl_completion jobctl; echo "${COMPREPLY[*]}"; }\n'
    script += "".join(f"ask {line}\n" for line in lines)
    return [answer.split() for answer in _run(home, ["bash", "--norc", "-c", script])]


def by_fish(home: Path, *lines: str) -> list[list[str]]:
    script = "jobctl completion fish | source\n"
    script += "".join(f"echo (complete -C {shlex.quote(line)} | string split -f1 \\t)\n" for line in lines)
    return [answer.split() for answer in _run(home, ["fish", "--no-config", "-c", script])]


def _run(home: Path, argv: list[str]) -> list[str]:
    done = subprocess.run(argv, cwd=home, env=environment(home), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def by_zsh(home: Path, *lines: str) -> list[list[str]]:
    """In a terminal, as zsh completes nowhere else: Tab, then the line is printed in place of being run."""
    keys = "autoload -Uz compinit; compinit -u; setopt no_beep; unsetopt auto_menu; PS1='> '; stty -echo\r"
    keys += 'eval "$(jobctl completion zsh)"\r'
    keys += "".join(f"{line}\t\x01print -r -- LINE: \r" for line in lines) + "exit\r"
    ours, terminal = os.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=home, env=environment(home) | {"TERM": "dumb"}, stdin=terminal, stdout=terminal,
        stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    os.write(ours, keys.encode())
    said = b""
    with suppress(OSError):  # EIO: it has gone
        while piece := os.read(ours, 65536):
            said += piece
    shell.wait(60)
    os.close(ours)
    shown = [line.strip() for line in said.decode(errors="replace").replace("\r", "\n").splitlines()]
    return [[line.split()[-1]] for line in shown if line.startswith("LINE: ")]


SHELLS = {"bash": by_bash, "zsh": by_zsh, "fish": by_fish}
ASKED = {
    "jobctl stat": "status",
    "jobctl status tri": RUN,
    "jobctl pull --tensorb": "--tensorboard",
    "jobctl report zebra-20261123-0001 tri": RUN,
    f"jobctl logs {RUN} --stage tr": "train",
    f"jobctl resume {RUN} --from env": "environment",
    "jobctl submit config.yaml -i inventory.yaml --host oth": "other",
    "jobctl schema inv": "inventory",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_completes_commands_options_runs_stages_and_hosts(shell: str, shell_home: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert SHELLS[shell](shell_home, *ASKED) == [[word] for word in ASKED.values()]


def test_every_command_and_every_option_is_completed(shell_home: Path) -> None:
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in COMMANDS}
    answers = by_bash(shell_home, "jobctl ''", *(f"jobctl {name} --" for name in COMMANDS))
    assert sorted(answers[0]) == sorted(COMMANDS)
    for answer, (name, command) in zip(answers[1:], commands.items(), strict=True):
        assert command is not None
        options = {word for param in command.params for word in param.opts if word.startswith("--")}
        assert set(answer) == options | {"--help"}, name


def test_several_runs_and_hosts_are_offered_and_the_inventory_may_be_in_the_environment(
    shell_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBCTL_INVENTORY", "inventory.yaml")
    runs, hosts = by_bash(shell_home, "jobctl cancel ''", "jobctl doctor lab")
    assert (runs, hosts) == ([RUN, "zebra-20261123-0001"], ["lab-a", "lab-b"])


@pytest.mark.parametrize("broken", ["inventory", "records"])
def test_what_is_broken_is_not_completed_and_nothing_is_said(broken: str, shell_home: Path) -> None:
    (shell_home / "inventory.yaml").write_text("hosts: [")
    shutil.rmtree(shell_home / "home")
    (shell_home / "home").write_text("no folder")
    line = "jobctl cards -i inventory.yaml la" if broken == "inventory" else "jobctl status tri"
    assert by_bash(shell_home, line) == [[]]


def test_words_of_a_run_cannot_do_anything_in_the_shell(shell_home: Path) -> None:
    path = shell_home / "home" / "runs" / f"{RUN}.json"
    record = json.loads(path.read_text())
    record["host_name"] = f"$(touch pwned)`touch pwned`{WEIRD_NAME}"
    path.write_text(json.dumps(record))
    assert by_bash(shell_home, "jobctl status tri") == [[RUN]]
    assert not (shell_home / "pwned").exists()
