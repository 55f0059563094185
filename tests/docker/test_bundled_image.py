"""A bundle that has the container image: a real engine takes it in, once, and the run is in it."""

from __future__ import annotations

import shutil

from tests.docker.boxed import ARCH, BoxedLab, stage, step
from tests.docker.engine import IMAGE

NAME = "jobctl-bundled:1"


def test_the_image_of_a_bundle_is_taken_in_by_the_hosts_engine(lab: BoxedLab) -> None:
    tar = lab.engine.folder / "image.tar"
    lab.engine.docker("tag", IMAGE, NAME)
    lab.engine.docker("save", "--output", str(tar), NAME)
    lab.engine.docker("rmi", NAME)
    shutil.move(tar, lab.laptop / "image.tar")
    lab.write_job(stage(step("sh", "-c", "echo in the container")), image={ARCH: NAME})
    lab.run("bundle", "config.yaml", "-o", "it.bundle", "--image", "image.tar")
    submit = ("submit", "config.yaml", "-i", str(lab.inventory), "--bundle", "it.bundle")
    first = lab.run(*submit)
    assert "docker takes the image in" in first.err
    run_id = first.out.strip()
    assert lab.wait(run_id)["state"] == "SUCCEEDED", lab.log(run_id)
    assert "in the container" in lab.log(run_id)
    again = lab.run(*submit)
    assert "image" not in again.err, "what the engine has is neither sent nor loaded"
    lab.wait(again.out.strip())
    lab.engine.docker("rmi", NAME)
    (lab.laptop / "image.tar").write_bytes(b"no image")
    lab.run("bundle", "config.yaml", "-o", "it.bundle", "--image", "image.tar")
    said = lab.run(*submit, expect=3)
    assert "the image in the bundle cannot be loaded" in said.err


def test_a_bundle_without_docker_here_names_the_way(lab: BoxedLab) -> None:
    lab.write_job(stage(step("true")))
    lab.env["PATH"] = "/nonexistent"
    said = lab.run("bundle", "config.yaml", "-o", "it.bundle", "--image", expect=2)
    assert "there is no docker on this machine" in said.err
