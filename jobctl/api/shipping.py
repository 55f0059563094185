"""What a run needs, brought to its host: code, data, packages, image; in the order in which a refusal costs least."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from jobctl.api import locking
from jobctl.api.code_ref import resolve_on_host
from jobctl.api.listener import Listener
from jobctl.api.prepare import Inputs, Written
from jobctl.laptop.bundle_file import Bundle
from jobctl.laptop.records import Records
from jobctl.remote.lanes import Lanes
from jobctl.remote.sync import send_tree
from jobctl.spec.job import Job


@dataclass(frozen=True)
class Shipped:
    """What `job.json` and the request that starts the run say of it. `brought`: trees of a bundle, by name."""

    code: dict[str, Any]
    data: list[dict[str, Any]]
    brought: dict[str, str]
    pinned: locking.Pinned | None


def ship(
    lanes: Lanes,
    written: Written,
    inputs: Inputs,
    container: dict[str, Any] | None,
    runtime: str,
    upgrade: bool,
    tell: Listener,
    book: Records,
) -> Shipped:
    """The engine is asked first; packages are held to the lock once the host has the code, which names requirement
    files, and before what is large is sent. Raises InputError, HostError, TransferError.
    """
    channel, bundle = lanes.channel, inputs.bundle
    if container is not None:
        tell.note(f"asking {container['engine']}")
        channel.call("container_check", container=container)
    code = _send_code(lanes, written.job, inputs, tell)
    pinned = locking.pin(channel, written, code, upgrade, tell, book, bundle.contents if bundle else None, runtime)
    data = _send_data(lanes, written.job, inputs, tell)
    brought = _send_packages(lanes, inputs, tell)
    if container is not None and bundle:
        _send_image(lanes, container, bundle, tell)
    return Shipped(code, data, brought, pinned)


def send_trees(lanes: Lanes, job: Job, inputs: Inputs, tell: Listener, *, look: bool = False) -> None:
    """Make the host have all trees. `look`: whatever it says of them, each content is looked for."""
    _send_code(lanes, job, inputs, tell, look=look)
    _send_data(lanes, job, inputs, tell, look=look)
    _send_packages(lanes, inputs, tell, look=look)


def _send_code(lanes: Lanes, job: Job, inputs: Inputs, tell: Listener, *, look: bool = False) -> dict[str, Any]:
    """What `job.json` says of the code: the tree that the host now has, or the commit that it will clone."""
    code: dict[str, Any] = {"git": job.code.git, "ref": job.code.ref}
    if inputs.code is None:
        tell.note("asking git for the commit")
        code["commit"] = resolve_on_host(lanes.channel, job.code)
    else:
        sent = send_tree(lanes.channel, inputs.code, partial(tell.progress, "code"), lanes, look=look)
        code.update(commit=inputs.code.commit, tree=sent.digest)
    return code


def _send_data(lanes: Lanes, job: Job, inputs: Inputs, tell: Listener, *, look: bool = False) -> list[dict[str, Any]]:
    """Where the host finds each dataset: a tree that it now has, or a folder of its own."""
    data = []
    for entry in job.data:
        row: dict[str, Any] = {"name": entry.name, "link": entry.link, "on_host": entry.on_host}
        if tree := inputs.data.get(entry.name):
            tell_bytes = partial(tell.progress, f"data {entry.name}")
            row["digest"] = send_tree(lanes.channel, tree, tell_bytes, lanes, look=look).digest
        data.append(row)
    return data


def _send_packages(lanes: Lanes, inputs: Inputs, tell: Listener, *, look: bool = False) -> dict[str, str]:
    """What a bundle has beside the code: the digests of its trees, which the host now has."""
    trees = {"wheels": inputs.wheels, "downloads": inputs.downloads}
    return {
        name: send_tree(lanes.channel, tree, partial(tell.progress, name), lanes, look=look).digest
        for name, tree in trees.items()
        if tree
    }


def _send_image(lanes: Lanes, container: dict[str, Any], bundle: Bundle, tell: Listener) -> None:
    """The bundle's image, where it has one and the host's engine has none of that name."""
    tree = bundle.tree("image")
    there = lanes.channel.call("image_there", container=container).header.get("there")
    if tree is None or there:
        return
    sent = send_tree(lanes.channel, tree, partial(tell.progress, "image"), lanes)
    tell.note(f"{container['engine']} takes the image in")
    lanes.channel.call("image_load", container=container, tree=sent.digest)
