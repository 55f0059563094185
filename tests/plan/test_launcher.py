"""What is run, and with which environment: whole argv lists, as Paddle's launcher wants them."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.ascend.contract import CONTRACT
from jobctl.plan.launcher import make_argv, make_env
from jobctl.spec.job import Job
from tests.conftest import WEIRD_NAME


def make_job(step: dict[str, Any], **fields: Any) -> Job:
    stages = [{"name": "train", "steps": [step]}]
    return Job.model_validate({"name": "x", "device": "npu", "code": {"path": "."}, "stages": stages, **fields})


def argv_of(job: Job, devices: list[int] | None = None) -> list[str]:
    return make_argv(job.stages[0].steps[0], job, devices)


LAUNCH = ["python", "-u", "-m", "paddle.distributed.launch"]
TRAIN = {"argv": ["tools/train.py", "--seed", 2048], "distributed": True}


@pytest.mark.parametrize(
    ("job", "argv"),
    [
        (make_job(TRAIN, cards=4), [*LAUNCH, "--devices", "0,1,2,3", "tools/train.py", "--seed", "2048"]),
        (make_job(TRAIN, cards=1), [*LAUNCH, "--devices", "0", "tools/train.py", "--seed", "2048"]),
        (
            make_job(TRAIN, cards=4, device="cpu"),
            [*LAUNCH, "--nproc_per_node", "4", "tools/train.py", "--seed", "2048"],
        ),
        (make_job({"argv": ["python", "tools/export.py"]}, cards=4), ["python", "tools/export.py"]),
        (make_job({"argv": ["@host", "code"]}), ["@host", "code"]),
        (make_job({"argv": ["python", WEIRD_NAME]}), ["python", WEIRD_NAME]),
    ],
)
def test_a_distributed_step_runs_under_the_launcher_and_others_as_they_are(job: Job, argv: list[str]) -> None:
    assert argv_of(job) == argv


def test_devices_can_be_named() -> None:
    assert argv_of(make_job(TRAIN, cards=2), [4, 5])[4:6] == ["--devices", "4,5"]


def test_an_npu_job_has_the_image_s_environment_and_its_own_wins() -> None:
    env = make_env(make_job(TRAIN, env={"HCCL_CONNECT_TIMEOUT": 600, "MINE": "$(x)"}))
    assert env == {**CONTRACT, "HCCL_CONNECT_TIMEOUT": "600", "MINE": "$(x)"}
    assert env["PADDLE_XCCL_BACKEND"] == "npu"


def test_a_cpu_job_talks_over_gloo_and_knows_nothing_of_cards() -> None:
    assert make_env(make_job(TRAIN, device="cpu", env={"A": "b"})) == {"PADDLE_DISTRI_BACKEND": "gloo", "A": "b"}
