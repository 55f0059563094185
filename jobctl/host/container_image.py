"""The image of a run: found, loaded or pulled once, and from then on named by its id."""

from __future__ import annotations

import os
from typing import IO, Optional

from . import engine, states, surroundings
from .engine import EngineProblem, Image
from .files import Json, read_json, write_json
from .step import Run, run_aside

RECORD = "container.json"
"""In the run directory: the image by its id, so that all steps, and those after a resume, have the same."""


def provide_image(run: Run, spec: Json, log: IO[bytes]) -> Image:
    """The image of the run, brought here where it is missing. Raises EngineProblem, Stopped."""
    name, recorded = engine.image_for_us(spec["images"]), read_json(run.run_dir / RECORD) or {}
    known: Optional[str] = recorded.get("id")
    digests = recorded.get("digests") or []
    image = engine.find_image(spec["engine"], known or name)
    if image is None and known and not digests and not spec.get("image_tar"):
        image = engine.find_image(spec["engine"], name)  # built here once, and built again since
    if image is None:
        _bring(run, spec, (digests or [name])[0], log)
        image = engine.find_image(spec["engine"], known or name) or engine.find_image(spec["engine"], name)
    if image is None:
        raise EngineProblem("the image {} was brought here, and is not here".format(name))
    if known not in (None, image.id):
        _check_new_image(run, name)
    record = {"engine": spec["engine"], "image": name, "id": image.id, "digests": image.digests}
    write_json(run.run_dir / RECORD, record)
    return image


def _check_new_image(run: Run, name: str) -> None:
    """A venv is of no use in another image. Raises EngineProblem where none is going to be built."""
    builders = [
        (stage["name"], told["state"])
        for stage, told in zip(run.job["stages"], run.journal.status["stages"])
        if any(step["argv"][:2] == ["@host", "environment"] for step in stage["steps"])
    ]
    if any(state == states.SUCCEEDED for _, state in builders):
        what = "the image that this run began with is gone, and {} is another now".format(name)
        hint = "jobctl resume {} --from {}".format(run.run_dir.name, builders[0][0])
        raise EngineProblem(what, hint)


def _bring(run: Run, spec: Json, name: str, log: IO[bytes]) -> None:
    """Load the image from the tar that came along, else pull it. Raises EngineProblem, Stopped."""
    tar = spec.get("image_tar")
    argv = [spec["engine"], "load", "--input", tar] if tar else [spec["engine"], "pull", name]
    log.write("+ {}\n".format(surroundings.shown(argv)).encode("utf-8", "surrogateescape"))
    log.flush()
    begins_at = os.fstat(log.fileno()).st_size
    code = run_aside(run, argv, engine.client_environ(), log, log)
    if code == 0:
        return
    with open("/proc/self/fd/{}".format(log.fileno()), "rb") as said:
        said.seek(begins_at)
        words = engine.last_line(said.read().decode("utf-8", "replace"))
    hint = "without a way to its registry: {0} save on a machine that has it, {0} load on the host".format(
        spec["engine"]
    )
    raise EngineProblem("the image {} is not to be had (exit code {}): {}".format(name, code, words), hint)
