"""What watches over a run works through the wall of a container: hang, memory, exit codes, retries, another image."""

from __future__ import annotations

import json

import pytest

from tests.docker.boxed import ARCH, BoxedLab, make_lab, stage, step, training, wait_for
from tests.docker.engine import IMAGE, OWNER, OWNER_ID, running_engine, running_login

STUB = {"environment": {"pythonpath": ["."]}}


@pytest.mark.slow  # so long that a container has begun by then, whatever else this machine does
def test_a_hang_is_ended_and_its_processes_are_described(lab: BoxedLab) -> None:
    lab.write_job(training({"hang_attempts": 9, "ranks": 2}, hang_timeout_s=12), **STUB)
    run_id = lab.submit()
    status = lab.wait(run_id)
    assert (status["state"], status["verdict"]["kind"]) == ("FAILED", "hang")
    told = (lab.run_dir(run_id) / "logs/train.hang-1.txt").read_text()
    assert told.count("--rank") == 2, "the ranks, whose parent is none of ours"
    assert lab.containers_of(run_id) == []


def test_a_rank_that_fails_is_named_and_the_exit_code_is_the_launchers(lab: BoxedLab) -> None:
    fail = {"1": {"text": "ValueError: labels out of range", "exit": 7}}
    lab.write_job(training({"ranks": 2, "iters": 1000, "fail": fail}), **STUB)
    status = lab.wait(lab.submit())
    assert (status["state"], status["stages"][0]["exit_code"]) == ("FAILED", 241)
    assert "rank 1 failed first: ValueError: labels out of range" in status["reason"]
    assert status["verdict"]["rank"] == 1


def test_memory_that_runs_out_in_the_container_is_told(lab: BoxedLab) -> None:
    lab.write_inventory(container={"extra_args": ["--memory=64m"]})
    lab.write_job(stage(step("python3", "-c", "x = bytearray(1 << 30)")))
    status = lab.wait(lab.submit())
    assert (status["state"], status["verdict"]["kind"]) == ("FAILED", "oom"), status["reason"]


def test_what_is_not_in_the_image_is_told(lab: BoxedLab) -> None:
    lab.write_job(stage(step("no-such-program", "x")))
    status = lab.wait(lab.submit())
    assert (status["state"], status["stages"][0]["exit_code"]) == ("FAILED", 127)
    assert "no-such-program: not found" in status["reason"]


def test_an_image_may_be_loaded_from_a_file_of_the_host(lab: BoxedLab) -> None:
    name = "127.0.0.1:1/carried:1"
    lab.write_job(stage(step("true")), image={ARCH: name})
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "FAILED"
    tar = lab.engine.folder / "carried.tar"
    lab.engine.docker("tag", IMAGE, name)
    lab.engine.docker("save", "--output", str(tar), name)
    lab.engine.docker("rmi", name)
    tar.chmod(0o644)
    spec = lab.run_dir(run_id) / "job.json"
    job = json.loads(spec.read_text())
    job["container"]["image_tar"] = str(tar)
    spec.write_text(json.dumps(job))
    lab.run("resume", run_id)
    assert lab.wait(run_id)["state"] == "SUCCEEDED", lab.log(run_id)
    assert f"docker load --input {tar}" in lab.log(run_id)
    lab.engine.docker("rmi", name)
    tar.unlink()


def test_a_run_goes_on_in_the_image_it_began_with_or_says_that_it_is_gone(lab: BoxedLab) -> None:
    name = "jobctl-test/moving:1"
    first = build_image(lab, name, 1)
    build = stage(step("@host", "environment"), name="environment")
    look = stage(step("bash", "-c", "echo image $NUMBER; [ -e output/enough ]"))
    lab.write_job(build, look, image={ARCH: name})
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "FAILED"
    build_image(lab, name, 2)
    lab.run("resume", run_id)
    assert lab.wait(run_id)["state"] == "FAILED"
    assert [line for line in lab.log(run_id).splitlines() if line[:5] == "image"] == ["image 1", "image 1"]
    lab.engine.docker("rmi", first)
    (lab.run_dir(run_id) / "output/enough").touch()
    lab.run("resume", run_id)
    reason = lab.wait(run_id)["reason"]
    remedy = f"jobctl resume {run_id} --from environment"
    assert f"the image that this run began with is gone, and {name} is another now; {remedy}" in reason
    lab.run(*remedy.split()[1:])
    wait_for(lambda: lab.log(run_id, "environment").count("building environment") == 2)
    lab.run("cancel", run_id, "--grace", "0")
    lab.engine.docker("rmi", name)


def build_image(lab: BoxedLab, name: str, number: int) -> str:
    """An image on top of the tests' own; its id."""
    made = lab.engine.docker("create", IMAGE, "true").strip()
    lab.engine.docker("commit", "--change", f"ENV NUMBER={number}", made, name)
    lab.engine.docker("rm", made)
    return lab.engine.docker("image", "inspect", "--format", "{{.Id}}", name).strip()


RUNTIME = """\
#!/usr/bin/env python3
# Imitates Ascend Docker Runtime (the order of things is from its README): before runc makes a container, the cards of
# ASCEND_VISIBLE_DEVICES get into its configuration. Only the nodes; the real one mounts the driver too.
import json, os, sys
if "create" in sys.argv:
    path = os.path.join(sys.argv[sys.argv.index("--bundle") + 1], "config.json")
    config = json.load(open(path))
    env = dict(entry.split("=", 1) for entry in config["process"]["env"])
    for card in filter(None, env.get("ASCEND_VISIBLE_DEVICES", "").split(",")):
        info = os.stat("/dev/davinci" + card)
        rule = {"type": "c", "major": os.major(info.st_rdev), "minor": os.minor(info.st_rdev)}
        config["linux"]["resources"]["devices"].append(dict(rule, allow=True, access="rwm"))
        node = {"path": "/dev/davinci" + card, "fileMode": 0o660, "uid": 0, "gid": info.st_gid}
        config["linux"].setdefault("devices", []).append(dict(rule, **node))
    json.dump(config, open(path, "w"))
os.execvp("runc", ["runc"] + sys.argv[1:])
"""


def test_ascend_docker_runtime_is_used_where_the_engine_has_it(lab: BoxedLab) -> None:
    program = lab.engine.folder / "ascend-docker-runtime"
    program.write_text(RUNTIME)
    program.chmod(0o755)
    with running_engine(f"--add-runtime ascend={program}") as engine, running_login(engine, OWNER) as login:
        there = make_lab(lab.laptop.parent / "there", engine, login, "jobctl")
        look = "ls /dev; echo $ASCEND_VISIBLE_DEVICES $ASCEND_RT_VISIBLE_DEVICES; sleep 600"
        there.write_job(stage(step("bash", "-c", look)), device="npu", cards=2)
        run_id = there.submit("--cards", "4,6")
        while "4,6 0,1" not in there.log(run_id).splitlines():
            assert there.status(run_id)["state"] in ("QUEUED", "RUNNING")
        assert [line for line in there.log(run_id).splitlines() if line[:7] == "davinci"] == ["davinci4", "davinci6"]
        told = json.loads(engine.docker("inspect", *there.containers_of(run_id)))[0]
        assert (told["HostConfig"]["Runtime"], told["HostConfig"]["Devices"]) == ("ascend", [])
        assert told["Config"]["User"] == f"{OWNER_ID}:{OWNER_ID}"
        there.clear()
