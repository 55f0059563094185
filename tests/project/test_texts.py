"""The project's own files: no addresses of one machine, and pages that fit on a screen."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESSES = ROOT / ".ci" / "addresses"

PLANTED = {
    "a home folder": ("notes.md", "see /ro" + "ot/project"),
    "a user's folder": ("notes.md", "python /ho" + "me/jdoe/train.py"),
    "a package mirror": ("Makefile", "pip install --index-url http" + "s://mirror.corp.lan/root"),
    "a simple index": ("docs/a.md", "http" + "://10.0.0.1:3141/root/simple/"),
    "an index in a lock": ("requirements.lock", "--extra-index" + "-url http" + "s://corp.lan\nsix==1.0"),
    "a local wheel in a lock": ("requirements.lock", "six @ fi" + "le:///six.whl"),
}


def test_no_file_of_the_project_names_a_machine_or_a_package_index() -> None:
    found = subprocess.run([str(ADDRESSES)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@pytest.mark.parametrize(("name", "text"), PLANTED.values(), ids=PLANTED)
def test_a_planted_address_is_found(name: str, text: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    found = subprocess.run([str(ADDRESSES), str(tmp_path)], capture_output=True, text=True)
    assert found.returncode == 1
    assert name in found.stdout


def test_ordinary_text_is_no_address(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "README.md").write_text(
        "~/jobctl, /usr/local/Ascend, docker -w=/work, /home/me/data, http"
        + "s://mirror.example/simple, https://github.com/a/b, /data/cityscapes"
    )
    assert subprocess.run([str(ADDRESSES), str(tmp_path)]).returncode == 0


def test_a_module_has_300_lines_at_most_and_a_function_50() -> None:
    too_long = []
    for module in (ROOT / "jobctl").rglob("*.py"):
        text = module.read_text()
        if len(text.splitlines()) > 300:
            too_long.append(str(module))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno:
                if node.end_lineno - node.lineno >= 50:
                    too_long.append(f"{module}:{node.lineno} {node.name}")
    assert too_long == []
