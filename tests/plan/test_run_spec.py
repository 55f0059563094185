"""`job.json` and the names of runs."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from jobctl.plan.run_spec import job_digest, make_run_id, make_run_spec
from jobctl.spec.job import Job

WRITTEN: dict[str, Any] = {
    "name": "small",
    "device": "npu",
    "cards": 2,
    "code": {"git": "https://example.org/x", "ref": "main"},
    "data": [{"name": "images", "on_host": "/data/images", "link": "data/images"}],
    "environment": {"install": [["numpy<2"]], "pythonpath": ["."], "source": ["/opt/set_env.sh"]},
    "env": {"A": 1},
    "secrets": ["TOKEN"],
    "stages": [
        {"name": "environment", "steps": [{"argv": ["@host", "code"]}, {"argv": ["@host", "environment"]}]},
        {
            "name": "train",
            "steps": [{"argv": ["train.py"], "distributed": True, "env": {"B": "c"}}],
            "must_leave": ["output/model"],
            "started_when": "TRAIN",
            "start_timeout_s": 60,
            "start_attempts": 3,
        },
    ],
    "artifacts": [{"name": "model", "path": "output/**"}],
}


def spec_of(written: dict[str, Any], cards_wanted: list[int] | None = None) -> dict[str, Any]:
    return make_run_spec(
        Job.model_validate(written),
        run_id="small-20261123-5f3a",
        submitted_at=1763880000.0,
        submitted_by="alice@laptop",
        code={"git": "https://example.org/x", "ref": "main", "commit": None},
        cards_wanted=cards_wanted,
    )


def test_nothing_is_left_to_decide_but_cards_and_attempt() -> None:
    spec = spec_of(WRITTEN, [4, 5])
    assert json.loads(json.dumps(spec)) == spec
    assert spec["version"] == 1
    assert (spec["run_id"], spec["device"], spec["cards"], spec["cards_wanted"]) == (
        "small-20261123-5f3a",
        "npu",
        2,
        [4, 5],
    )
    assert spec["stages"][1] == {
        "name": "train",
        "steps": [
            {
                "argv": ["python", "-u", "-m", "paddle.distributed.launch", "--devices", "0,1", "train.py"],
                "distributed": True,
                "cwd": ".",
                "env": {"B": "c"},
            }
        ],
        "must_leave": ["output/model"],
        "fatal_lines": [],
        "started_when": "TRAIN",
        "finished_when": None,
        "start_timeout_s": 60.0,
        "start_attempts": 3,
        "hang_timeout_s": None,
        "nan_limit": None,
        "checkpoints": None,
        "metrics": [],
    }
    assert spec["environment"] == {
        "python": "python3",
        "install": [["numpy<2"]],
        "pythonpath": ["."],
        "source": ["/opt/set_env.sh"],
        "verify": [],
        "lock": None,
    }
    assert (spec["env"]["A"], spec["env"]["PADDLE_XCCL_BACKEND"]) == ("1", "npu")
    assert (spec["secrets"], spec["data"]) == (["TOKEN"], [{"name": "images", "link": "data/images"}])


def test_the_job_in_it_reads_back_as_the_job() -> None:
    assert Job.model_validate(spec_of(WRITTEN)["job"]) == Job.model_validate(WRITTEN)


def test_ranks_on_cpus_start_with_jobctl_s_help_and_others_without() -> None:
    cpu = {**WRITTEN, "device": "cpu"}
    assert spec_of(cpu)["environment"]["pythonpath"] == [".", "../gloo_start"]
    alone = {**cpu, "stages": WRITTEN["stages"][:1]}
    assert spec_of(alone)["environment"]["pythonpath"] == ["."]


def test_a_run_s_id_is_its_name_its_day_and_something_random() -> None:
    assert make_run_id("deeplabv3p", date(2026, 11, 23), "5f3a") == "deeplabv3p-20261123-5f3a"


def test_equal_jobs_have_equal_digests_and_others_have_not() -> None:
    job = Job.model_validate(WRITTEN)
    same = Job.model_validate({**dict(reversed(WRITTEN.items())), "version": 1})
    assert job_digest(job) == job_digest(same)
    assert job_digest(job) != job_digest(Job.model_validate({**WRITTEN, "cards": 3}))
    assert len(job_digest(job)) == 64
