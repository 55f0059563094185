"""The links in the code tree by which the stages find the output folder and the data sets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from .files import Json


def make_links(run_dir: Path, job: Json) -> Optional[str]:
    """`code/output` to `output/`, and `code/<link>` to each data set, once `code/` is there. Why not, if it fails."""
    code = run_dir / "code"
    try:
        (run_dir / "output").mkdir(exist_ok=True)
        if not code.is_dir():  # a stage clones it later
            return None
        problem = _link(code, "output", run_dir / "output")
        for data in job.get("data") or []:
            if problem is None and data.get("link"):
                problem = _link(code, data["link"], Path(data["target"]))
        return problem
    except OSError as error:
        return "a link in the code tree could not be made: {}: {}".format(error.filename, error.strerror)


def _link(code: Path, name: str, target: Path) -> Optional[str]:
    place = code / os.path.normpath(name)
    inside = os.path.realpath(str(code))
    above = os.path.realpath(str(place.parent))
    if os.path.commonpath([inside, above]) != inside or place == code:
        return "the link {!r} leads out of the code tree".format(name)
    if place.is_symlink():
        if os.path.realpath(str(place)) == os.path.realpath(str(target)):
            return None
        return "{!r} is a link in the code tree already, to {}".format(name, os.readlink(str(place)))
    if not target.is_dir():
        return "the data folder is not on this host: {}".format(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not os.listdir(str(place)):
        place.rmdir()
    if place.exists():
        return "{!r} is in the code tree already and not empty; link to another name".format(name)
    place.symlink_to("../output" if name == "output" else str(target))
    return None
