"""What `jobctl render` shows: YAML that is the job, and commands that a person recognises."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobctl.plan.commands import make_commands, make_text, quote, wrap
from jobctl.spec.config import load_config
from jobctl.spec.job import Job
from jobctl.spec.template import load_template, make_job
from jobctl.spec.yaml_source import load_yaml
from tests.conftest import WEIRD_NAME

ROOT = Path(__file__).parents[2]

TUTORIAL = """\
python -u -m paddle.distributed.launch --devices 0,1,2,3 tools/train.py \\
    --config configs/deeplabv3p/deeplabv3p_resnet50_os8_cityscapes_1024x512_80k.yml \\
    --num_workers 8 \\
    --save_dir output/deeplabv3p_resnet50 \\
    --log_iters 10 \\
    --device npu \\
    --do_eval \\
    --save_interval 1000 \\
    --seed 2048
"""


def shipped_job(config: str) -> Job:
    loaded = load_config((ROOT / "configs" / config).read_text(), config)
    folder = ROOT / "templates" / loaded.template
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return make_job(load_template(loaded.template, files), loaded)


def weird_job() -> Job:
    step: dict[str, Any] = {
        "argv": ["python", WEIRD_NAME, "a\x1b[31m\u2028b"],
        "cwd": WEIRD_NAME,
        "env": {"A": WEIRD_NAME},
    }
    return Job.model_validate(
        {
            "name": "weird",
            "device": "cpu",
            "code": {"git": f"/srv/{WEIRD_NAME}", "fetch": "laptop", "ref": "$(x)"},
            "data": [{"name": "d", "path": WEIRD_NAME, "link": f"data/{WEIRD_NAME}"}],
            "environment": {"source": [f"/opt/{WEIRD_NAME}"], "pythonpath": [WEIRD_NAME]},
            "stages": [{"name": "a", "steps": [step], "must_leave": [WEIRD_NAME]}],
        }
    )


def read_by_bash(line: str) -> list[str]:
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


def test_the_training_command_is_the_tutorial_s() -> None:
    assert TUTORIAL in make_commands(shipped_job("deeplabv3p_cityscapes_4npu.yaml"))


def test_the_clone_and_the_two_nightly_indexes_are_the_tutorial_s() -> None:
    shown = make_commands(shipped_job("deeplabv3p_cityscapes_4npu.yaml")).split("\n")
    assert "git clone https://github.com/PaddlePaddle/PaddleSeg -b npu_cann8.0 ." in shown
    assert "pip install paddlepaddle -i https://www.paddlepaddle.org.cn/packages/nightly/cpu/" in shown
    assert "pip install paddle-custom-npu -i https://www.paddlepaddle.org.cn/packages/nightly/npu/" in shown


@pytest.mark.parametrize("name", [path.name for path in sorted(ROOT.glob("configs/*.yaml"))])
def test_what_is_shown_reads_back_as_the_job_in_yaml_1_1_and_1_2(name: str) -> None:
    job = shipped_job(name)
    assert Job.model_validate(yaml.safe_load(make_text(job))) == job
    assert Job.model_validate(load_yaml(make_text(job), "shown").data) == job


def test_a_job_with_weird_names_reads_back_and_moves_no_cursor() -> None:
    job = weird_job()
    text = make_text(job)
    assert Job.model_validate(load_yaml(text, "shown").data) == job
    assert all(c.isprintable() or c == "\n" for c in make_commands(job))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_quoted_word_stays_on_its_line(word: str) -> None:
    assert quote(word).isprintable()


def test_bash_reads_a_quoted_word_as_the_word() -> None:
    words = [WEIRD_NAME, "", "a\nb'c\\n", "\x7f\x85\u2028\ufeff1f", "é'\n", "-n", "!x\n"]
    assert read_by_bash(" ".join(map(quote, words))) == words


def test_a_long_command_is_broken_before_its_options_and_means_the_same() -> None:
    argv = ["python", "a.py", *(f"--option{n}" if n % 2 else f"value {n}" for n in range(20))]
    lines = wrap(argv, keep=2)
    assert len(lines) > 5
    assert read_by_bash("\n".join(lines)) == argv
    assert wrap(["ls", "-l"], keep=1) == ["ls -l"]
