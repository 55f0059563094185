"""Looking before acting: render and plan. Neither writes a file nor opens a connection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobctl.api import prepare
from jobctl.laptop.lock_file import path_of, read_lock
from jobctl.laptop.survey import survey
from jobctl.laptop.tree_source import TreeSource
from jobctl.plan.plan import Item as Item
from jobctl.plan.plan import Tree, make_pins, make_plan
from jobctl.plan.run_files import make_run_files
from jobctl.spec.job import Job


def render(config: str | Path, sets: Sequence[str] = ()) -> Job:
    """The job that a config means. Raises InputError and its kinds."""
    return prepare.load(config, sets).job


def plan(
    config: str | Path,
    inventory: str | Path,
    *,
    host: str | None = None,
    more_hosts: Sequence[str] = (),
    sets: Sequence[str] = (),
    direct: bool = False,
) -> tuple[Job, tuple[Item, ...]]:
    """The job and the steps that a submit would take. Raises InputError and its kinds.

    `more_hosts`: those that get a run each beside `host`; `direct`: they are sent everything from here.
    """
    written = prepare.load(config, sets)
    target = prepare.load_host(inventory, host)
    inputs = prepare.gather_inputs(written, keep_caches=False)
    items = make_plan(
        written.job,
        target,
        code=_tree(inputs.code, written.job.code.exclude) if inputs.code else None,
        data={name: _tree(tree, ()) for name, tree in inputs.data.items()},
        files=make_run_files(written.job, written.template.helpers),
        more=[prepare.load_host(inventory, name) for name in more_hosts],
        direct=direct,
        pins=_pins(written),
    )
    return written.job, items


def _pins(written: prepare.Written) -> Item | None:
    if not written.job.environment.install:
        return None
    return make_pins(read_lock(written.config), path_of(written.config).name)


def _tree(source: TreeSource, exclude: tuple[str, ...]) -> Tree:
    return Tree(source.manifest, survey(source, exclude), source.commit, source.pointers)
