"""The plan: the steps that would bring a job to life on a host. Pure data; printing it is the dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobctl.plan.commands import make_step
from jobctl.plan.container import make_shown
from jobctl.plan.manifest import LeftOut, Manifest
from jobctl.plan.relay import WORTH_BYTES, relay_wins
from jobctl.spec.inventory import Host
from jobctl.spec.job import Job
from jobctl.spec.lock import Lock

_LARGEST = 5
_NAMED = 3


@dataclass(frozen=True)
class Item:
    """One line of a plan. `verb`: connect, send, clone, pin, link, write, hold, contain,
    run, expect, pull."""

    verb: str
    what: str
    detail: str = ""
    size_bytes: int | None = None
    files: int | None = None
    left_out: tuple[LeftOut, ...] = ()
    largest: tuple[tuple[str, int], ...] = ()
    """Of what is sent: paths, and their bytes."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """What would be sent of a tree: at most this, less what the host has already."""

    manifest: Manifest
    left_out: tuple[LeftOut, ...]
    commit: str | None
    pointers: tuple[str, ...] = ()
    """Files that git-lfs has not fetched."""


def make_plan(
    job: Job,
    host: Host,
    *,
    code: Tree | None,
    data: Mapping[str, Tree],
    files: Mapping[str, bytes],
    more: Sequence[Host] = (),
    direct: bool = False,
    pins: Item | None = None,
) -> tuple[Item, ...]:
    """All steps, in order. `code` None: the host clones it. `more`: hosts that get a run each as well; `direct`: they
    are sent everything from here. `pins`: what is said of the lock.
    """
    hosts = (host, *more)
    items = [_connect(one) for one in hosts]
    names = [one.name for one in hosts]
    if code is not None:
        items.append(_send("code", code, names, direct))
    else:
        items.append(Item("clone", f"{job.code.git}", f"on the host, ref {job.code.ref or 'HEAD'}"))
    items += [pins] if pins else []
    for entry in job.data:
        if entry.name in data:
            items.append(_send(f"data {entry.name} -> {entry.link}", data[entry.name], names, direct))
        else:
            items.append(Item("link", f"{entry.on_host} -> {entry.link}", "a folder that is on the host already"))
    size = sum(len(content) for content in files.values())
    items.append(Item("write", "job and helper files", f"{host.work_dir}/runs/<run id>/", size, len(files)))
    if job.device == "npu":
        items.append(
            Item(
                "hold",
                f"{job.cards} cards",
                "the first free ones, or those named with --cards; as ASCEND_RT_VISIBLE_DEVICES",
            )
        )
    if host.runtime != "bare":
        what = f"each step in a container of its own ({host.runtime})"
        detail = "cards, mounts and devices as far as the host has them; steps that clone run on the host itself"
        items.append(Item("contain", what, "\n".join([detail, *make_shown(job, host)])))
    for stage in job.stages:
        items.extend(Item("run", stage.name, "\n".join(make_step(step, job))) for step in stage.steps)
        items.extend(Item("expect", stage.name, path) for path in stage.must_leave)
    items.extend(Item("pull", artifact.name, artifact.path) for artifact in job.artifacts)
    return tuple(items)


def make_pins(lock: Lock, name: str) -> Item:
    """What is said of the lock, a file called `name`: which resolution is used depends on the host."""
    if not lock.resolutions:
        return Item("pin", name, "written by the first submit: the versions that pip on the host finds")
    lines = []
    for each in lock.resolutions:
        if each.current:
            told = "".join(f", {name} {version}" for name, version in each.main.items())
            lines.append(f"resolution {each.number}, for {each.target}: {len(each.packages)} packages{told}")
    return Item("pin", name, "\n".join(lines))


def _connect(host: Host) -> Item:
    where = f"{host.user}@{host.address}" if host.user else host.address
    if host.proxy_jump not in (None, "none"):
        where += f", through {host.proxy_jump}"
    return Item("connect", f"{host.name} ({where})", f"{host.transport}, one connection; work_dir {host.work_dir}")


def _send(what: str, tree: Tree, hosts: Sequence[str], direct: bool) -> Item:
    detail = ["what the host does not have yet" if len(hosts) == 1 else _way(tree, hosts, direct)]
    if tree.commit:
        detail.append(f"commit {tree.commit[:12]}" + (" and uncommitted work" if tree.commit.endswith("+") else ""))
    entries = tree.manifest.entries
    largest = sorted(((entry.path, entry.size) for entry in entries), key=lambda row: row[1], reverse=True)[:_LARGEST]
    return Item(
        "send",
        what,
        "; ".join(detail),
        tree.manifest.size_bytes,
        len(entries),
        tree.left_out,
        tuple(largest),
        tell_pointers(tree.pointers),
    )


def tell_pointers(paths: tuple[str, ...]) -> tuple[str, ...]:
    """A warning where git-lfs has not fetched files: what is trained on would be pointers to them."""
    if not paths:
        return ()
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    named = ", ".join(paths[:_NAMED])
    return (f"{named}{more}: a git-lfs pointer is sent, not the file, which is not here; git lfs pull",)


def _way(tree: Tree, hosts: Sequence[str], direct: bool) -> str:
    """How several hosts get a tree, if none of them has anything of it yet."""
    if not direct and relay_wins(len(hosts), 0, tree.manifest.size_bytes):
        return f"sent once from here, then from host to host ({' -> '.join(hosts)}): what they do not have yet"
    why = "--direct" if direct else f"it is smaller than {WORTH_BYTES / 1e6:.0f} MB"
    return f"to each of {len(hosts)} hosts from here ({why}): what it does not have yet"
