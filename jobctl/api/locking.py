"""The versions that a job is held to: from the lock beside its config, or found out on the host and written there.

Also what has worked with them: what hosts and runs tell is noted in the lock whenever it is looked at.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobctl.api.listener import Listener, Silent
from jobctl.api.prepare import Written, load_host
from jobctl.errors import InputError
from jobctl.host.fingerprint import packages_digest
from jobctl.host.nightly import find_mismatch
from jobctl.host.pip_arguments import named_files
from jobctl.host.states import SUCCEEDED
from jobctl.laptop.lock_file import change_lock, path_of, read_lock
from jobctl.laptop.places import read_text
from jobctl.laptop.records import Records
from jobctl.remote.answers import Answer, misunderstood
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect
from jobctl.spec.bundle import Contents
from jobctl.spec.lock import Lock, Package, Target
from jobctl.spec.lock import Resolution as Resolution  # the command line's too

_HOSTS_PYTHON = "python3"


@dataclass(frozen=True)
class Pinned:
    """What a run is held to. `digest` names the packages."""

    resolution: Resolution

    @property
    def spec(self) -> dict[str, Any]:
        """What `job.json` says of it."""
        rows = [package.model_dump(mode="json") for package in self.resolution.packages]
        return {"number": self.resolution.number, "packages": rows}

    @property
    def digest(self) -> str:
        return packages_digest(self.spec)


def pin(
    channel: HostChannel,
    written: Written,
    code: Mapping[str, Any],
    upgrade: bool,
    tell: Listener,
    book: Records,
    bundle: Contents | None = None,
    runtime: str = "bare",
) -> Pinned | None:
    """The versions for this job on this host. None: it installs nothing, or the host's pip cannot tell before.

    `code`: what `job.json` says of the code, which the host has. `bundle`: that has the packages. `runtime`: with
    containers the image's Python counts, which is not asked: without a bundle nothing is pinned. Raises InputError,
    where the packages contradict each other or cannot be had; nothing is written then.
    """
    environment = written.job.environment
    if not environment.install:
        return None
    if runtime != "bare" and bundle is None:
        tell.note("versions are not pinned for containers: pip takes the newest in the image")
        return None
    lock = read_lock(written.config)
    digests = {Pinned(each).digest: each.number for each in lock.resolutions}
    question = _Question(channel, written, code, environment.python if runtime == "bare" else _HOSTS_PYTHON)
    told = question.ask("asked", digests=list(digests))
    lock = change_lock(written.config, lambda now: now.note(worked(digests, told.get("facts"), book)))
    target, asks = _target(channel, told), told.get("asks")
    if bundle is not None:
        target = target if runtime == "bare" else Target(arch=target.arch, python=bundle.target.python)
        return _pin_bundle(written, bundle, target, asks, channel.host, tell)
    found = None if upgrade else lock.find(asks, target)
    if found is None:
        tell.note(_why(lock, upgrade, channel.host))
        known = [] if upgrade else [each.asks for each in lock.resolutions if each.target.fits(target)]
        told = question.resolve(known, tell)
        found = lock.find(told["asks"], target) if told["packages"] is None else None
        if found is None and told["packages"] is None:
            tell.note("warning: pip on the host is older than 22.2: versions are not pinned")
            return None
        found = found or _add(channel, written, told, target, tell)
    refuse_mismatch(found, str(path_of(written.config)))
    _refuse_unknown_list(found, written, str(path_of(written.config)))
    return Pinned(found)


def _pin_bundle(written: Written, bundle: Contents, host: Target, asks: object, name: str, tell: Listener) -> Pinned:
    """What the bundle has, also noted in a lock that does not know it. Raises InputError where it does not fit."""
    again = f"jobctl bundle {written.config} -o FILE --arch {host.arch} --python {host.python}"
    if not bundle.target.fits(host):
        again += f" --glibc {host.glibc}" if host.glibc and bundle.target.python == host.python else ""
        what = f"the bundle is for {bundle.target}, and {name} has {host}"
        raise InputError(what, where=str(written.config), next_command=again)
    if bundle.asks is None or asks != bundle.asks:
        what = "the bundle was made for other packages than the config asks for now"
        raise InputError(what, where=str(written.config), next_command=again)
    found = Resolution(
        number=1, at="-", by="bundle", target=bundle.target, asks=bundle.asks, packages=bundle.packages, current=True
    )
    refuse_mismatch(found, str(written.config))
    _refuse_unknown_list(found, written, str(written.config))
    known = [each for each in read_lock(written.config).resolutions if each.asks == asks and each.target.fits(host)]
    if not any(each.versions == found.versions for each in known):
        add_resolution(written, bundle.packages, bundle.target, bundle.asks, "bundle", tell)
    return Pinned(found)


def refuse_mismatch(resolution: Resolution, where: str) -> None:
    """Raises InputError for nightlies of different days."""
    if mismatch := find_mismatch(resolution.versions):
        raise InputError(mismatch.what, where=where, hint=mismatch.remedy)


def _refuse_unknown_list(resolution: Resolution, written: Written, where: str) -> None:
    """Raises InputError for a package of an `install` list that is not there: nothing would install it."""
    lists = len(written.job.environment.install)
    lost = next((package for package in resolution.packages if package.list >= lists), None)
    if lost is not None:
        raise InputError(
            f"resolution {resolution.number} has a package of an `install` list that the job has not",
            where=where,
            value=f"{lost.name}: list {lost.list}",
            hint=f"the job has {lists}, counted from 0. Was the file edited? --upgrade makes a new resolution",
        )


def _why(lock: Lock, upgrade: bool, host: str) -> str:
    if upgrade or not lock.resolutions:
        return f"asking pip on {host} which versions are to be installed"
    return f"asking pip on {host} which versions are to be installed: the lock has none for this job on such a machine"


class _Question:
    """What both requests about packages say of the job."""

    def __init__(self, channel: HostChannel, written: Written, code: Mapping[str, Any], python: str) -> None:
        environment = written.job.environment
        wanted = {name for arguments in environment.install for name in named_files(list(arguments))}
        helpers = written.template.helpers if any(name.startswith("../") for name in wanted) else {}
        self._channel = channel
        self._payload = b"".join(helpers.values())
        self._params: dict[str, Any] = {
            "environment": {"python": python, "install": [list(words) for words in environment.install]},
            "code": dict(code),
            "files": [[f"template/{path}", len(content)] for path, content in helpers.items()],
        }

    def ask(self, op: str, **params: Any) -> dict[str, Any]:
        return self._channel.call(op, self._payload, **self._params, **params).header

    def resolve(self, known: list[str], tell: Listener) -> dict[str, Any]:
        with self._channel.exchange("resolve", self._payload, **self._params, known=known) as exchange:
            for header, _ in exchange:
                if not header.get("more"):
                    if not isinstance(header.get("asks"), str) or "packages" not in header:
                        raise misunderstood(self._channel.host, f"resolve: {header!r}")
                    return header
                tell.note(Answer(self._channel.host, header).text("say"))
        raise misunderstood(self._channel.host, "resolve: no answer")


def _target(channel: HostChannel, told: Mapping[str, Any]) -> Target:
    try:
        return Target.model_validate(told.get("target"))
    except ValidationError:
        raise misunderstood(channel.host, f"target: {told.get('target')!r}") from None


def _add(channel: HostChannel, written: Written, told: Mapping[str, Any], target: Target, tell: Listener) -> Resolution:
    try:
        packages = tuple(Package.model_validate(row) for row in told["packages"])
    except (ValidationError, TypeError):
        raise misunderstood(channel.host, f"packages: {told['packages']!r}") from None
    return add_resolution(written, packages, target, told["asks"], f"submit to {channel.host}", tell)


def add_resolution(
    written: Written, packages: tuple[Package, ...], target: Target, asks: str, by: str, tell: Listener
) -> Resolution:
    """Into the lock beside the config. Raises InputError for nightlies of different days: then it is not written."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    parts: dict[str, Any] = {"at": now, "by": by, "target": target, "asks": asks, "packages": packages}
    refuse_mismatch(Lock().add(**parts)[1], f"{by}: {written.config}")
    after = change_lock(written.config, lambda lock: lock.add(**parts)[0])
    found = after.find(asks, target)
    assert found is not None
    tell.note(f"{len(packages)} packages pinned: resolution {found.number} in {path_of(written.config)}")
    return found


def worked(digests: Mapping[str, int], facts: object, book: Records) -> dict[int, dict[str, str]]:
    """What the host's environments and our own records tell, by the resolution's number."""
    found: dict[int, dict[str, str]] = {number: {} for number in digests.values()}
    for digest, row in facts.items() if isinstance(facts, dict) else ():
        for name, key in (("environment", "verified_at"), ("deep_check", "deep_check_at")):
            at = row.get(key) if isinstance(row, dict) else None
            if digest in digests and isinstance(at, int | float) and not isinstance(at, bool) and 0 < at < 1e11:
                found[digests[digest]][name] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    for record in reversed(book.all() if digests else []):
        if record.packages in digests and (record.status or {}).get("state") == SUCCEEDED:
            found[digests[record.packages]].setdefault("training", record.run_id)
    return found


def held_packages(book: Records) -> list[str]:
    """Digests of the packages that locks of configs submitted from here use now. A damaged lock holds none."""
    found: set[str] = set()
    for path in {record.lock for record in book.all() if record.lock}:
        with contextlib.suppress(InputError):
            found.update(Pinned(each).digest for each in read_lock(Path(path)).resolutions if each.current)
    return sorted(found)


def lock(
    config: str | Path,
    *,
    use: int | None = None,
    inventory: str | Path | None = None,
    host: str | None = None,
    listener: Listener | None = None,
    records: Records | None = None,
) -> tuple[Path, Lock]:
    """The lock of a config, and where it is; first with `use` made the current one. What our runs tell is noted.

    With `inventory` a host is asked as well what has worked there. Raises InputError, HostError and their kinds.
    """
    path = Path(config)
    read_text(path, "config")  # a mistake in its name is told as everywhere
    if use is not None:
        change_lock(path, lambda now: now.use(use))
    now = read_lock(path)
    digests = {Pinned(each).digest: each.number for each in now.resolutions}
    told: object = None
    if inventory is not None:
        target = load_host(inventory, host)
        (listener or Silent()).note(f"asking {target.name}")
        with connect(target) as channel:
            told = channel.call("packages", digests=list(digests)).header.get("facts")
    found = worked(digests, told, records or Records())
    return path_of(path), change_lock(path, lambda now: now.note(found))
