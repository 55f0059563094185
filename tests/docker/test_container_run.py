"""A run whose stages are in containers: a real Docker Engine, a user without rights of their own, fake card nodes."""

from __future__ import annotations

import json
import os
from functools import partial

from tests.docker.boxed import BoxedLab, stage, step, training, wait_for
from tests.docker.engine import CARD_GROUP_ID, IMAGE, OWNER_ID
from tests.docker.image import SET_ENV

STUB = {"environment": {"pythonpath": ["."]}}


def test_a_training_runs_in_a_container_and_its_results_belong_to_the_user(lab: BoxedLab) -> None:
    lab.write_job(training({"ranks": 2, "save": "output/model"}, must_leave=["output/model/best_model/*"]), **STUB)
    run_id = lab.submit()
    status = lab.wait(run_id)
    assert (status["state"], status["reason"]) == ("SUCCEEDED", None), lab.log(run_id)
    assert status["progress"]["iter"] == 4
    run_dir = lab.run_dir(run_id)
    found = [run_dir, *run_dir.rglob("*")]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in found} == {(OWNER_ID, OWNER_ID)}
    assert lab.containers_of(run_id) == []


def test_a_step_sees_its_cards_the_driver_and_what_is_sourced(lab: BoxedLab) -> None:
    look = "ls /dev; id -u; id -G; ls /usr/local/Ascend/driver /usr/local/bin; env"
    lab.write_job(
        stage(step("bash", "-c", look)),
        device="npu",
        cards=2,
        environment={"source": [SET_ENV], "pythonpath": ["."]},
        env={"ASKED": "with 'quotes' and 文"},
    )
    run_id = lab.submit("--cards", "4,6")
    status = lab.wait(run_id)
    said = lab.log(run_id)
    assert (status["state"], status["cards"]) == ("SUCCEEDED", [4, 6]), said
    lines = said.splitlines()
    assert [line for line in lines if line.startswith(("davinci", "devmm", "hisi"))] == [
        "davinci4",
        "davinci6",
        "davinci_manager",
        "devmm_svm",
        "hisi_hdc",
    ]
    assert str(OWNER_ID) in lines
    assert str(CARD_GROUP_ID) in next(line for line in lines if line.startswith(str(OWNER_ID) + " ")).split()
    assert {"version.info", "npu-smi"} <= set(lines)
    assert "ASCEND_RT_VISIBLE_DEVICES=0,1" in lines, "the runtime in a container counts the cards that it sees"
    assert "ASCEND_TOOLKIT_HOME=/usr/local/Ascend/ascend-toolkit/latest" in lines
    assert f"PYTHONPATH=/usr/local/Ascend/python:{lab.run_dir(run_id)}/code\n" in said
    assert "ASKED=with 'quotes' and 文" in lines
    assert "HCCL_WHITELIST_DISABLE=1" in lines
    assert f"HOME={lab.run_dir(run_id)}/home" in said
    assert os.stat(lab.run_dir(run_id) / "home").st_mode & 0o777 == 0o700


def has_looked(lab: BoxedLab, run_id: str) -> bool:
    return "looked" in lab.log(run_id).splitlines()


def test_a_second_job_sees_only_its_own_cards(lab: BoxedLab) -> None:
    look = "ls /dev; echo looked; while [ ! -e output/enough ]; do sleep 0.05; done"
    lab.write_job(stage(step("bash", "-c", look)), device="npu", cards=4)
    first, second = lab.submit(), lab.submit()
    seen = {}
    for run_id in (first, second):
        wait_for(partial(has_looked, lab, run_id))
        seen[run_id] = [line for line in lab.log(run_id).splitlines() if line[:7] == "davinci" and line[7:].isdigit()]
        assert [f"davinci{card}" for card in lab.status(run_id)["cards"]] == seen[run_id]
    assert sorted(seen[first] + seen[second]) == [f"davinci{card}" for card in range(8)]
    for run_id in (first, second):
        (lab.run_dir(run_id) / "output/enough").touch()
        assert lab.wait(run_id)["state"] == "SUCCEEDED"


def test_data_of_the_host_can_be_read_and_not_written(lab: BoxedLab) -> None:
    data = lab.work_dir.parent / "on host, 'data': 文"
    data.mkdir(parents=True)
    os.chown(data, OWNER_ID, OWNER_ID)
    (data / "image.txt").write_text("an image\n")
    lab.write_job(
        stage(step("bash", "-c", "cat data/x/image.txt; touch data/x/new || echo refused")),
        data=[{"name": "x", "on_host": str(data), "link": "data/x"}],
    )
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
    assert {"an image", "refused"} <= set(lab.log(run_id).splitlines())
    assert [path.name for path in data.iterdir()] == ["image.txt"]


def test_the_venv_is_built_in_the_image_once_and_named_by_it(lab: BoxedLab) -> None:
    build = stage(step("@host", "environment"), name="environment")
    show = stage(step("python", "-c", "import sys; print('prefix', sys.prefix, 'of', sys.base_prefix)"))
    lab.write_job(build, show)
    first, second = lab.submit(), lab.submit()
    for run_id in (first, second):
        assert lab.wait(run_id)["state"] == "SUCCEEDED", lab.log(run_id, "environment")
    found = json.loads((lab.run_dir(first) / "environment.json").read_text())
    image = lab.engine.docker("image", "inspect", "--format", "{{.Id}}", IMAGE).strip()
    assert found["python"]["image"] == image
    assert found["python"]["executable"] == "/usr/bin/python3"
    assert f"prefix {found['path']} of /usr" in lab.log(first)
    assert "is there already" in lab.log(second, "environment")
