"""The containers of a run: the part `container` of `job.json`, and the command line for eyes. Pure."""

from __future__ import annotations

from typing import Any

from jobctl.errors import InputError
from jobctl.host.ascend_parts import FILES, SHARED_DEVICES
from jobctl.host.container_argv import Box, Mount, run_argv
from jobctl.plan.commands import quote
from jobctl.spec.container import parse_mount
from jobctl.spec.inventory import Host
from jobctl.spec.job import Job


def make_container(job: Job, host: Host) -> dict[str, Any] | None:
    """What the supervisor makes containers by; None: the stages run on the host itself. Raises InputError: no image."""
    if host.runtime == "bare":
        return None
    if not job.image:
        raise InputError(
            f"the job names no image, and the host runs stages in containers (runtime: {host.runtime})",
            where=f"host {host.name}",
            hint="set the value `image`, such as {x86_64: NAME, aarch64: NAME}, or `runtime: bare` for the host",
        )
    return {
        "engine": host.runtime,
        "images": dict(job.image),
        "shm_size": host.container.shm_size,
        "extra_mounts": [parse_mount(text) for text in host.container.extra_mounts],
        "privileged": host.container.privileged,
        "extra_args": list(host.container.extra_args),
    }


def make_shown(job: Job, host: Host) -> list[str]:
    """The engine's command line for a step, one option a line, with <...> for what only the host knows."""
    container = make_container(job, host)
    assert container is not None
    npu = job.device == "npu"
    mounts = [Mount(host.work_dir, host.work_dir)]
    mounts += [Mount(data.on_host, data.on_host, True) for data in job.data if data.on_host]
    for extra in container["extra_mounts"]:
        mounts.append(Mount(extra["source"], extra["target"] or extra["source"], extra["read_only"]))
    mounts += [Mount(path, path, True) for path in FILES] if npu else []
    devices = ["/dev/davinci<card>", *SHARED_DEVICES] if npu and not host.container.privileged else []
    env = {"HOME": f"{host.work_dir}/runs/<run id>/home"}
    if npu:
        inside = ",".join(map(str, range(job.cards)))
        env["ASCEND_RT_VISIBLE_DEVICES"] = "<cards>" if host.container.privileged else inside
    box = Box(
        engine=host.runtime,
        name="jobctl-<run id>-<stage>-<attempt>",
        run_id="<run id>",
        run_dir=f"{host.work_dir}/runs/<run id>",
        image=" or ".join(f"{name} ({arch})" for arch, name in job.image.items()),
        user="<you>",
        shm_size=host.container.shm_size,
        groups=["<yours>"],
        privileged=host.container.privileged,
        devices=devices,
        mounts=mounts,
        env=env,
        extra_args=host.container.extra_args,
    )
    words = run_argv(box, f"{host.work_dir}/runs/<run id>/code/<cwd>", "", [])
    options = words[2 : words.index("--entrypoint=bash")]
    return [
        f"{host.runtime} run",
        *(f"    {_shown(option)}" for option in options),
        f"    {box.image}",
        "    <the step>",
    ]


def _shown(option: str) -> str:
    return option if "<" in option else quote(option)
