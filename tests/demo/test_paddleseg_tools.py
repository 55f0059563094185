"""The demo's command line over PyPI's paddleseg takes what the template says. Running it is what `jobctl demo` does."""

from __future__ import annotations

import ast
from importlib import resources
from pathlib import Path

import pytest
import yaml

from tests.templates.test_render import commands, render

TOOLS = Path(str(resources.files("jobctl.demo"))) / "paddleseg_tools"


def flags_of(script: str) -> set[str]:
    """What it declares with `parser.add_argument`, read without running it: it imports Paddle."""
    calls = (node for node in ast.walk(ast.parse((TOOLS / script).read_text())) if isinstance(node, ast.Call))
    declared = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument")
    return {str(first.value) for call in declared if isinstance(first := call.args[0], ast.Constant)}


@pytest.mark.parametrize(
    ("stage", "script"),
    [("train", "tools/train.py"), ("export", "tools/export.py"), ("infer", "deploy/python/infer.py")],
)
def test_every_flag_of_the_template_is_known(stage: str, script: str) -> None:
    values = {"data": {"path": "cityscapes"}, "iters": 1, "batch_size": 1, "learning_rate": 0.1}
    argv = commands(render({"template": "deeplabv3p", "values": values}))[stage][0]
    given = {word for word in argv[argv.index(script) :] if word.startswith("--")}
    assert given and given <= flags_of(script)


def test_its_config_reads_the_dataset_where_the_template_puts_it() -> None:
    [path] = (TOOLS / "configs").rglob("*.yml")
    config = yaml.safe_load(path.read_text())
    assert config["train_dataset"]["dataset_root"] == config["val_dataset"]["dataset_root"] == "data/cityscapes"
    assert config["model"]["type"] == "DeepLabV3P"
