"""Every command of the documentation exists with its options; those that need no host of the reader's are run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from jobctl.cli import COMMANDS, cli
from jobctl.spec.lock import Lock, Package, Target, dump_lock
from tests.docs.pages import PAGES, ROOT, Block, Command, all_commands, blocks, commands
from tests.e2e.lab import Lab

JOBCTL = [command for command in all_commands() if command.words[:1] == ["jobctl"]]
HARMLESS = ("render", "plan", "schema", "completion", "init", "ps")
"""What can be run with the example files, with no host at the other end."""


def place(item: Command) -> str:
    return item.place


@pytest.mark.parametrize("command", JOBCTL, ids=place)
def test_a_command_exists_with_its_options(command: Command) -> None:
    name, *args = [*command.words[1:], ""][:-1]
    if name.startswith("-"):
        assert any(name in option.opts for option in cli.get_params(click.Context(cli)) if hasattr(option, "opts"))
        return
    found = cli.get_command(click.Context(cli), name)
    assert found is not None, f"{command.place}: no command {name}"
    found.make_context(name, list(args), resilient_parsing=False)


def test_every_command_is_in_the_examples() -> None:
    shown = {command.words[1] for command in JOBCTL}
    assert set(COMMANDS) - shown <= {"demo", "schema"}


def test_both_readmes_have_the_same_commands() -> None:
    english, chinese = (
        [command.text for block in blocks(ROOT / name) for command in commands(block)]
        for name in ("README.md", "README_zh.md")
    )
    assert english == chinese


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the reader has after `jobctl init`, the dataset, and with a lab of their own."""
    folder = tmp_path_factory.mktemp("newcomer")
    argv = [sys.executable, "-m", "jobctl", "init", str(folder)]
    subprocess.run(argv, check=True, capture_output=True)
    (folder / "inventories" / "lab.yaml").write_text("hosts: {lab-a: {address: lab-a.invalid, user: alice}}\n")
    dataset = [sys.executable, "-m", "jobctl.demo.dataset", str(folder / "cityscapes-small")]
    subprocess.run(dataset, check=True, capture_output=True, cwd=ROOT)
    repository = folder / "PaddleSeg"  # in place of GitHub's
    for words in (["init", "-q", "-b", "npu_cann8.0", str(repository)], ["-C", str(repository), *COMMIT]):
        subprocess.run(["git", *words], check=True, capture_output=True)
    config = folder / "configs" / "deeplabv3p_cpu_small.yaml"
    config.write_text(config.read_text().replace("https://github.com/PaddlePaddle/PaddleSeg, ref", "../PaddleSeg, ref"))
    return folder


COMMIT = ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", "empty"]
HARMLESS_COMMANDS = [command for command in JOBCTL if command.words[1] in HARMLESS]


@pytest.mark.parametrize("command", HARMLESS_COMMANDS, ids=place)
def test_a_command_that_changes_nothing_runs_as_it_stands(command: Command, newcomer: Path, tmp_path: Path) -> None:
    folder = tmp_path if command.words[1] == "init" else newcomer
    done = subprocess.run([sys.executable, "-m", *command.words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{command.place}: {done.stderr}"
    assert done.stdout


RUNNING_PAGES = [page for page in PAGES if any(block.mark == "run" for block in blocks(page))]


@pytest.mark.parametrize("page", RUNNING_PAGES, ids=lambda page: page.name)
def test_the_files_of_a_page_are_enough_for_its_commands(page: Path, tmp_path: Path) -> None:
    lab = Lab(tmp_path, tmp_path / "host", tmp_path / "inventory.yaml")
    for block in blocks(page):
        if block.mark.startswith("file: "):
            path = tmp_path / block.mark.removeprefix("file: ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.mark == "run":
            _run(lab, block)


def _run(lab: Lab, block: Block) -> None:
    for command in commands(block):
        done = subprocess.run(
            [sys.executable, "-m", *command.words],
            cwd=lab.laptop,
            env=lab.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert re.fullmatch(_pattern(command.output), done.stdout), f"{command.place} printed:\n{done.stdout}"


def _pattern(output: tuple[str, ...]) -> str:
    """What is shown, as a pattern: `...` for anything, and any run's id for a run's id."""
    text = re.escape("".join(f"{line}\n" for line in output)).replace(re.escape("..."), "(?s:.*?)")
    return re.sub(r"\\-\d{8}\\-[0-9a-f]{4}", r"-\\d{8}-[0-9a-f]{4}", text)


def test_files_that_examples_name_are_there() -> None:
    named = {word for command in JOBCTL for word in command.words if word.startswith(("configs/", "inventories/"))}
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


LOCK, _ = Lock().add(
    at="2026-11-23T02:12:09Z",
    by="submit to box",
    target=Target(arch="x86_64", python="3.11", glibc="2.36"),
    asks="1c9a0e1f4b2d7c55",
    packages=(Package(name="paddlepaddle", version="3.3.1", list=0, sha256="0" * 64),),
)
LOCK = LOCK.note({1: {"environment": "2026-11-23T02:13:41Z", "training": "pinned-20261123-5f3a"}})


def test_json_shapes_are_those_of_real_answers(local_run: tuple[Lab, str]) -> None:
    lab, run_id = local_run
    calls = {
        "error": ["status", "nosuch"],
        "plan": ["plan", "config.yaml", "-i", str(lab.inventory)],
        "send": ["send", "config.yaml", "-i", str(lab.inventory)],
        "submit": ["submit", "config.yaml", "-i", str(lab.inventory)],
        "status": ["status", run_id],
        "logs": ["logs", run_id],
        "pull": ["pull", run_id],
        "report": ["report", run_id],
        "adopt": ["adopt", "-i", str(lab.inventory)],
        "gc": ["gc", "-i", str(lab.inventory)],
        "doctor": ["doctor", "-i", str(lab.inventory)],
        "diagnose": ["diagnose", "workerlog.1"],
        "cards": ["cards", "--parse", "npu-smi.txt"],
        "lock": ["lock", "config.yaml"],
        "bundle": ["bundle", "config.yaml", "-o", "it.bundle"],
    }
    (lab.laptop / "config.lock").write_text(dump_lock(LOCK))
    (lab.laptop / "workerlog.1").write_text("OSError: [Errno 28] No space left on device\n")
    sample = ROOT / "tests" / "host" / "data" / "npu_smi" / "eight_busy.txt"
    (lab.laptop / "npu-smi.txt").write_text(sample.read_text())
    shown = {
        block.mark.removeprefix("json: "): json.loads(block.text)
        for block in blocks(ROOT / "docs" / "reference" / "cli.md")
        if block.mark.startswith("json: ")
    }
    assert shown.keys() == calls.keys()
    for name, args in calls.items():
        if name == "adopt":
            lab.env["JOBCTL_HOME"] = str(lab.laptop / "another laptop's")
        answer = json.loads(lab.run(*args, "--json", expect=None).out)
        assert shape(answer, shown[name]) == shape(shown[name], shown[name]), name


def shape(value: object, shown: object) -> object:
    """Keys and kinds; a list by its first item; what is `null` on either side, or `...`, may be anything."""
    if isinstance(shown, dict) and "..." in shown:
        return "..."
    if isinstance(shown, dict) and isinstance(value, dict):
        keys = sorted(value) if "logs" not in shown else sorted(shown)  # artifacts: names are the job's
        return {key: shape(value.get(key), shown.get(key)) for key in keys}
    if isinstance(shown, list) and isinstance(value, list):
        return [shape(value[0], shown[0])] if value and shown else []
    if value is None or shown is None:
        return None
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_shell_lines_of_the_examples_are_well_known() -> None:
    """Anything that is no jobctl is a program that is installed here, so that a typing error is seen."""
    for command in all_commands():
        word = command.words[0]
        known = word in ("cd", "export", "jobctl") or word.startswith("~/.venvs/") or shutil.which(word)
        assert known, f"{command.place}: {word}"
