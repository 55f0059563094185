"""What is missing is said before anything starts, with the way to get it; secrets are nowhere to be seen."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from jobctl.host import engine as host_engine
from jobctl.host.engine import EngineProblem
from tests.docker.boxed import ARCH, BoxedLab, stage, step, wait_for
from tests.docker.engine import GUEST, IMAGE
from tests.docker.image import write_empty_image

NOTHING = stage(step("true"))
TOKEN = "t0k3n-$(touch pwned)-'文'\nsecond line"


def test_no_permission_for_the_socket(guest_lab: BoxedLab) -> None:
    guest_lab.write_job(NOTHING)
    said = guest_lab.run("submit", "config.yaml", "-i", str(guest_lab.inventory), expect=3).err
    assert f"docker may not be used by {GUEST}: permission denied at its socket" in said
    assert f"hint:  sudo usermod -aG docker {GUEST}, then log in again" in said
    assert guest_lab.runs_on_host() == []


def test_no_engine(lab: BoxedLab) -> None:
    lab.write_inventory(runtime="podman")
    lab.write_job(NOTHING)
    said = lab.run("submit", "config.yaml", "-i", str(lab.inventory), expect=3).err
    assert "there is no podman on this host" in said
    assert "hint:  install it, or `runtime: bare`" in said
    assert lab.runs_on_host() == []


def test_an_engine_that_does_not_run(engine: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineProblem, match="its daemon does not answer") as caught:
        host_engine.ask_facts("docker")
    assert "sudo systemctl start docker" in caught.value.hint


def test_a_job_without_an_image_or_without_one_for_this_machine(lab: BoxedLab) -> None:
    lab.write_job(NOTHING, image={})
    said = lab.run("submit", "config.yaml", "-i", str(lab.inventory), expect=2).err
    assert "the job names no image" in said
    assert lab.run("plan", "config.yaml", "-i", str(lab.inventory), expect=2).err == said
    other = "aarch64" if ARCH == "x86_64" else "x86_64"
    lab.write_job(NOTHING, image={other: IMAGE})
    said = lab.run("submit", "config.yaml", "-i", str(lab.inventory), expect=3).err
    assert f"the job has no image for {ARCH}, it has one for {other}" in said


def test_an_image_that_no_registry_has(lab: BoxedLab) -> None:
    name = "127.0.0.1:1/paddle-npu:none"
    lab.write_job(NOTHING, image={ARCH: name})
    run_id = lab.submit()
    status = lab.wait(run_id)
    assert status["state"] == "FAILED"
    assert status["reason"].startswith(f"train: the image {name} is not to be had (exit code 1): "), status["reason"]
    assert f"+ docker pull {name}" in lab.log(run_id)


def test_an_image_of_another_architecture(lab: BoxedLab) -> None:
    native, other = ("amd64", "arm64") if ARCH == "x86_64" else ("arm64", "amd64")
    lab.engine.docker("load", "--input", str(write_empty_image(lab.engine.folder, other, "jobctl-test/foreign:1")))
    lab.write_job(NOTHING, image={ARCH: "jobctl-test/foreign:1"})
    said = lab.run("submit", "config.yaml", "-i", str(lab.inventory), expect=3).err
    assert f"the image jobctl-test/foreign:1 is for {other}, and this host is {native}" in said
    assert lab.runs_on_host() == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"environment": {"source": ["/no/set_env.sh"]}}, "the file to source is not in the image: /no/set_env.sh"),
        ({"container": {"extra_mounts": ["/no/such:/x"]}}, "a mount of the inventory is not on this host: /no/such"),
        ({"container": {"extra_args": ["--no-such-option"]}}, "unknown flag: --no-such-option"),
        ({"container": {"extra_args": ["--device=/dev/none"]}}, "/dev/none"),
    ],
)
def test_what_a_container_cannot_be_made_with(lab: BoxedLab, fields: dict[str, object], reason: str) -> None:
    values = {name: value for name, value in fields.items() if name == "environment"}
    lab.write_inventory(container=fields.get("container", {}))
    lab.write_job(NOTHING, **values)
    status = lab.wait(lab.submit())
    assert status["state"] == "FAILED"
    assert reason in status["reason"]


def test_secrets_are_in_no_argv_and_not_in_inspect(lab: BoxedLab) -> None:
    lab.env["TOKEN"] = TOKEN
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    check = (
        "import hashlib, os, time; "
        f"assert hashlib.sha256(os.environb[b'TOKEN']).hexdigest() == '{digest}'; "
        "print('told', flush=True); time.sleep(60)"
    )
    lab.write_job(stage(step("python3", "-c", check)), secrets=["TOKEN"])
    run_id = lab.submit()
    wait_for(lambda: "told" in lab.log(run_id).splitlines())
    names = lab.containers_of(run_id)
    assert len(names) == 1
    seen = lab.engine.docker("inspect", *names)
    lines = [Path(f"/proc/{pid}/cmdline") for pid in os.listdir("/proc") if pid.isdigit()]
    seen += "".join(path.read_bytes().decode(errors="replace") for path in lines if path.exists())
    assert json.dumps(f"JOBCTL_RUN_ID={run_id}") in seen
    assert "t0k3n" not in seen
    lab.run("cancel", run_id, "--grace", "0")
    left = [path for path in lab.run_dir(run_id).rglob("*") if path.is_file() and b"t0k3n" in path.read_bytes()]
    assert left == []
