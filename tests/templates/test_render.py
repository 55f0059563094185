"""What the templates render to, as the commands that run on the host. Cases are files: a config, and what is expected.

`cases/*.yaml`: `config` as a user writes it; `commands` by stage, one string each, as a shell would read it; `job`
holds further fields of the job, those that the case is about.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobctl.plan.launcher import make_argv
from jobctl.spec.config import load_config
from jobctl.spec.job import Job
from jobctl.spec.template import Template, load_template, make_job
from tests.conftest import WEIRD_NAME
from tests.templates.helpers import TEMPLATES

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
CONFIGS = sorted((TEMPLATES.parent / "configs").glob("*.yaml"))


def read_template(name: str) -> Template:
    folder = TEMPLATES / name
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return load_template(name, {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})


def render(config: dict[str, Any]) -> Job:
    loaded = load_config(yaml.safe_dump(config), "config.yaml")
    return make_job(read_template(loaded.template), loaded)


def commands(job: Job) -> dict[str, list[list[str]]]:
    return {stage.name: [make_argv(step, job) for step in stage.steps] for stage in job.stages}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_config_renders_to_the_commands_that_a_person_would_give(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    job = render(case["config"])
    rendered = commands(job)
    for stage, expected in case["commands"].items():
        assert rendered[stage] == [shlex.split(line) for line in expected]
    fields = job.model_dump(mode="json", exclude_unset=True)
    for field, expected in case.get("job", {}).items():
        assert fields[field] == expected
    for stage, expected in case.get("stages", {}).items():
        [found] = [each for each in fields["stages"] if each["name"] == stage]
        assert {key: found.get(key) for key in expected} == expected


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_is_a_job(path: Path) -> None:
    config = load_config(path.read_text(), str(path))
    assert make_job(read_template(config.template), config).stages


PLACES = ["save_dir", "infer_save_dir", "config", "infer_image", "python", "paddle", "plugin"]


@pytest.mark.parametrize("place", PLACES)
def test_any_text_in_any_value_reaches_the_command_line_as_it_is(place: str) -> None:
    values = {"data": {"on_host": "/data/cityscapes"}, place: WEIRD_NAME}
    job = render({"template": "deeplabv3p", "values": values})
    words = [word for steps in commands(job).values() for argv in steps for word in argv]
    words += [word for call in job.environment.install for word in call] + [job.environment.python]
    assert [word for word in words if WEIRD_NAME in word]
    plain = render({"template": "deeplabv3p", "values": {"data": {"on_host": "/data/cityscapes"}}})
    assert [stage.name for stage in job.stages] == [stage.name for stage in plain.stages]


def test_any_text_in_lists_and_mappings_is_kept_too() -> None:
    values = {
        "data": {"on_host": f"/data/{WEIRD_NAME}"},
        "env": {"KEY": WEIRD_NAME},
        "train_flags": ["--opts", WEIRD_NAME],
        "requirements": [WEIRD_NAME],
        "overrides": {WEIRD_NAME: WEIRD_NAME},
    }
    job = render({"template": "deeplabv3p", "values": values})
    assert job.data[0].on_host == f"/data/{WEIRD_NAME}"
    assert job.env["KEY"] == WEIRD_NAME
    assert commands(job)["train"][0][-2:] == ["--opts", WEIRD_NAME]
    assert job.environment.install[2][0] == WEIRD_NAME
    assert yaml.safe_load(commands(job)["data"][0][-1]) == {WEIRD_NAME: WEIRD_NAME}


def test_a_save_dir_with_the_signs_of_a_pattern_is_looked_for_by_its_name(tmp_path: Path) -> None:
    job = render({"template": "deeplabv3p", "values": {"data": {"on_host": "/d"}, "save_dir": "output/[a] *?"}})
    [train] = [stage for stage in job.stages if stage.name == "train"]
    model = tmp_path / "output/[a] *?/best_model/model.pdparams"
    model.parent.mkdir(parents=True)
    model.touch()
    assert list(tmp_path.glob(train.must_leave[0])) == [model]
