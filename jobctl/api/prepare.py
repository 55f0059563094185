"""From files that the user wrote to a job with its inputs, all on this side.

Nothing is connected, nothing is changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jobctl.api.wish import Wish
from jobctl.errors import InputError
from jobctl.laptop import places
from jobctl.laptop.bundle_file import Bundle
from jobctl.laptop.data_source import make_data_tree
from jobctl.laptop.git_source import open_git_tree
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.tree_source import TreeSource, make_working_tree
from jobctl.plan.run_spec import job_digest
from jobctl.spec.config import apply_overrides, load_config, parse_set
from jobctl.spec.inventory import Host, Inventory, load_inventory, pick_host
from jobctl.spec.job import Job
from jobctl.spec.notify import Notify
from jobctl.spec.template import Template, load_template, make_job


@dataclass(frozen=True)
class Inputs:
    """What goes along with a job: trees that are sent, small files, secrets."""

    code: TreeSource | None = None
    """None: the host clones it."""
    data: Mapping[str, TreeSource] = field(default_factory=dict)
    """Datasets that are sent, by name."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    wheels: TreeSource | None = None
    """Packages that a bundle brings, in place of the indexes."""
    downloads: TreeSource | None = None
    """What the stages would download."""
    bundle: Bundle | None = None
    """Where code, wheels and downloads are from."""


@dataclass(frozen=True)
class Written:
    """A config as it was written, and the job that it renders to."""

    config: Path
    template: Template
    job: Job
    notify: Notify | None = None


def load(config: str | Path, sets: Sequence[str] = ()) -> Written:
    """Read config and template, render, validate. Raises InputError and its kinds."""
    path = Path(config)
    overrides = [parse_set(text) for text in sets]
    parsed = apply_overrides(load_config(places.read_text(path, "config"), str(config)), overrides)
    folder, files = places.read_template(parsed.template, path.absolute().parent)
    template = load_template(parsed.template, files, os.fspath(folder))
    return Written(path, template, make_job(template, parsed), parsed.notify)


def load_host(inventory: str | Path, name: str | None) -> Host:
    """One host of an inventory file. Raises InputError and its kinds."""
    return _placed(pick_host(_load_inventory(inventory), name), inventory)


def load_hosts(inventory: str | Path) -> list[Host]:
    """All hosts of an inventory file. Raises InputError and its kinds."""
    return [_placed(host, inventory) for host in _load_inventory(inventory).hosts.values()]


def _load_inventory(inventory: str | Path) -> Inventory:
    return load_inventory(places.read_text(Path(inventory), "inventory"), str(inventory))


def _placed(host: Host, inventory: str | Path) -> Host:
    """Files of this machine that the inventory names are relative to it, as those of a config are."""
    folder = Path(inventory).absolute().parent
    written = {name: getattr(host, name) for name in ("identity_file", "known_hosts", "ssh_config", "password_file")}
    placed = {name: str(folder / path) for name, path in written.items() if path and not path.startswith(("~", "/"))}
    return host.model_copy(update=placed)


def gather_inputs(
    written: Written,
    *,
    keep_caches: bool = True,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    bundle: Bundle | None = None,
) -> Inputs:
    """Read the local folders and repositories that the job names. With `keep_caches=False` nothing is written anywhere.

    `progress`: called with what is read, bytes and bytes in all. `bundle`: code, packages and downloads are its. Raises
    InputError where something is missing.
    """
    near = written.config.absolute().parent
    cache = TreeCache(places.home() / "cache" / "trees", read_only=not keep_caches)
    job = written.job
    data = {}
    for entry in job.data:
        if entry.path is None:
            continue
        place = _local(near, entry.path) if isinstance(entry.path, str) else [_local(near, path) for path in entry.path]
        data[entry.name] = make_data_tree(place, cache, entry.unpack, partial(progress, f"reading {entry.name}"))
    if bundle is not None:
        trees = [bundle.tree("code"), bundle.tree("wheels"), bundle.tree("downloads")]
        return Inputs(trees[0], data, _secrets(job), trees[1], trees[2], bundle)
    return Inputs(_code(written, near, cache, keep_caches), data, _secrets(job))


def gather_code(written: Written) -> TreeSource:
    """The job's code, read here whoever would else fetch it. Raises InputError."""
    tree = _code(written, written.config.absolute().parent, tree_cache(), True, here=True)
    assert tree is not None
    return tree


def tree_cache() -> TreeCache:
    """What is remembered of folders that were read."""
    return TreeCache(places.home() / "cache" / "trees")


def _code(written: Written, near: Path, cache: TreeCache, keep_caches: bool, here: bool = False) -> TreeSource | None:
    code = written.job.code
    if code.path is not None:
        return make_working_tree(_local(near, code.path), code.exclude, cache)
    if code.git is None or (code.fetch == "host" and not here):
        return None
    local = _local(near, code.git)
    source = os.fspath(local) if local.is_dir() else code.git
    return open_git_tree(source, code.ref or "HEAD", code.exclude, places.home() / "cache", keep=keep_caches)


def _local(near: Path, path: str) -> Path:
    """A folder of this machine as a config names it: absolute, from home, or relative to the config."""
    try:
        return Path(os.path.normpath(near / Path(path).expanduser()))
    except RuntimeError as error:  # ~somebody who is not here
        raise InputError(f"cannot tell which folder this is: {error}", value=path) from None


def _secrets(job: Job) -> dict[str, str]:
    missing = [name for name in job.secrets if name not in os.environ]
    if missing:
        raise InputError(
            "a secret that the job needs is not in the environment",
            value=", ".join(missing),
            hint="secrets are taken from the environment of this machine, never from files of the job",
            next_command=f"export {missing[0]}=...",
        )
    return {name: os.environ[name] for name in job.secrets}


def submission_digest(written: Written, host: Host, inputs: Inputs, wish: Wish) -> str:
    """Names what is submitted and where to: a submit that was cut is recognised by it."""
    parts: dict[str, Any] = {
        "job": job_digest(written.job),
        "host": [host.name, host.address, host.port, host.user, host.work_dir, host.lease_dir],
        "runtime": [host.runtime, host.container.model_dump(mode="json")],
        "wish": asdict(wish),
        "code": inputs.code.manifest.digest if inputs.code else None,
        "bundle": [tree.manifest.digest for tree in (inputs.wheels, inputs.downloads) if tree],
        "data": {name: tree.manifest.digest for name, tree in inputs.data.items()},
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in written.template.helpers.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
