"""Bundles: one file with all that a job needs and a host without internet cannot get."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jobctl.api.listener import Listener, Silent
from jobctl.api.locking import add_resolution, refuse_mismatch
from jobctl.api.prepare import Written, gather_code, load, tree_cache
from jobctl.errors import InputError
from jobctl.host.downloads import store_name
from jobctl.host.files import Json
from jobctl.host.pip_arguments import folder_reader, make_asks, requirement_files
from jobctl.laptop import places
from jobctl.laptop.bundle_file import Bundle, members_of, open_bundle, write_bundle
from jobctl.laptop.fetching import fetch
from jobctl.laptop.folder_tree import FolderTree, Listed, Reading
from jobctl.laptop.image import save_image
from jobctl.laptop.lock_file import read_lock
from jobctl.laptop.tree_source import TreeSource
from jobctl.laptop.wheels import DEFAULT_GLIBC, WheelMaker
from jobctl.spec.bundle import BundledCode, Contents
from jobctl.spec.lock import Package, Resolution, Target

ARCHITECTURES = ("x86_64", "aarch64")
_IMAGE = "image.tar"


@dataclass(frozen=True)
class Bundled:
    """What is in a bundle: `contents` is its manifest."""

    path: Path
    contents: Contents


def check_bundle(path: str | Path, *, listener: Listener | None = None) -> Bundled:
    """Read a bundle whole and verify every content. Raises InputError, TransferError."""
    tell = listener or Silent()
    bundle = open_bundle(Path(path))
    bundle.verify(partial(tell.progress, "verifying"))
    return Bundled(bundle.path, bundle.contents)


def bundle(
    config: str | Path,
    out: str | Path,
    *,
    sets: Sequence[str] = (),
    arch: str | None = None,
    python: str | None = None,
    glibc: str | None = None,
    image: str | None = None,
    upgrade: bool = False,
    listener: Listener | None = None,
) -> Bundled:
    """Make a bundle for hosts of one kind. `arch`, `python`: default this machine's, or the Python that the job names.

    `image`: a tar, or "" for the job's own image by `docker save`. `upgrade`: the newest packages in place of the
    lock's. What was fetched before a cut is not fetched again. Raises InputError, TransferError and their kinds.
    """
    tell = listener or Silent()
    written = load(config, sets)
    target = make_target(written, arch, python, glibc)
    tell.note(f"making a bundle for {target}")
    code = gather_code(written)
    folder = _kept(written, target)
    trees: dict[str, TreeSource] = {"code": code}
    parts: dict[str, Any] = {"asks": None, "packages": (), "image": None}
    if written.job.environment.install:
        parts["asks"], parts["packages"], trees["wheels"] = _wheels(written, target, code, folder, upgrade, tell)
    downloads, trees["downloads"] = _downloads(written, folder, tell)
    if image is not None:
        parts["image"], trees["image"] = _image(written, target, image, folder, tell)
    contents = Contents(
        name=written.job.name,
        target=target,
        code=BundledCode(git=written.job.code.git, ref=written.job.code.ref, commit=code.commit),
        downloads=downloads,
        trees={name: members_of(tree) for name, tree in trees.items()},  # type: ignore[misc]
        **parts,
    )
    write_bundle(Path(out), contents, trees, partial(tell.progress, "bundle"))
    shutil.rmtree(folder, ignore_errors=True)
    return Bundled(Path(out), contents)


def make_target(written: Written, arch: str | None, python: str | None, glibc: str | None) -> Target:
    """The kind of host that a bundle is for. Raises InputError."""
    arch = arch or platform.machine()
    arch = {"arm64": "aarch64", "AMD64": "x86_64"}.get(arch, arch)
    if arch not in ARCHITECTURES:
        raise InputError("not an architecture of a host", value=arch, hint=f"--arch {' or '.join(ARCHITECTURES)}")
    named = re.search(r"python(3\.[0-9]+)\Z", written.job.environment.python)
    python = python or (named[1] if named else f"{sys.version_info.major}.{sys.version_info.minor}")
    if not re.fullmatch(r"3\.[0-9]{1,2}", python):
        raise InputError("not a version of Python that wheels are made for", value=python, hint="such as --python 3.9")
    if not re.fullmatch(r"2\.[0-9]{1,2}", glibc or DEFAULT_GLIBC):
        raise InputError("not a version of glibc", value=glibc, hint="such as --glibc 2.28; `ldd --version` prints it")
    return Target(arch=arch, python=python, glibc=glibc or DEFAULT_GLIBC)


def _kept(written: Written, target: Target) -> Path:
    """Where what is fetched stays until the bundle is whole: the same for the same config and target."""
    words = [str(written.config.absolute()), str(target)]
    folder = places.home() / "cache" / "bundles" / hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _wheels(
    written: Written, target: Target, code: TreeSource, folder: Path, upgrade: bool, tell: Listener
) -> tuple[str, tuple[Package, ...], TreeSource]:
    """What is asked, the packages with the hashes of their wheels, and the wheels."""
    install = [list(arguments) for arguments in written.job.environment.install]
    maker = WheelMaker(target, folder, tell.note)
    with tempfile.TemporaryDirectory() as scratch:
        place = _lay_out(code, written, Path(scratch))
        asks = make_asks(install, requirement_files(install, folder_reader(place)))
        lock = read_lock(written.config)
        found = None if upgrade else lock.find(asks, Target(arch=target.arch, python=target.python))
        rows, wheels = _from_lock(found, install, target, place, maker, tell) if found else (None, None)
        if rows is None or wheels is None:
            rows = maker.resolve(install, place)
            refuse_mismatch(_as_resolution(rows, target, asks), str(written.config))
            wheels = maker.download(install, rows, place)
            packages = tuple(Package.model_validate(row) for row in rows)
            add_resolution(written, packages, target, asks, "bundle", tell)
    names = {path.name for path in wheels.values()}
    tree = _tree(maker.folder, sorted(names))
    hashes = {entry.path: entry.content for entry in tree.manifest.entries}
    held = [{**row, "sha256": hashes[wheels[row["name"]].name]} for row in rows]
    return asks, tuple(Package.model_validate(row) for row in held), tree


def _as_resolution(rows: list[Json], target: Target, asks: str) -> Resolution:
    packages = tuple(Package.model_validate(row) for row in rows)
    return Resolution(number=1, at="-", by="-", target=target, asks=asks, packages=packages)


def _from_lock(
    found: Resolution, install: list[list[str]], target: Target, code: Path, maker: WheelMaker, tell: Listener
) -> tuple[list[Json] | None, dict[str, Path] | None]:
    """The lock's versions. Wheels for an older C library than the lock's may be other files, or there may be none."""
    tell.note(f"resolution {found.number} of the lock")
    fits = found.target.fits(target)
    rows = [package.model_dump() for package in found.packages]
    rows = rows if fits else [{**row, "sha256": None} for row in rows]
    try:
        return rows, maker.download(install, rows, code)
    except InputError as error:
        if fits:
            raise
        tell.note(f"not all of them can be had for {target} ({error.what}): asking pip anew")
        return None, None


def _lay_out(code: TreeSource, written: Written, folder: Path) -> Path:
    """The code and the template's files as in a run directory; pip runs in the first."""
    for entry, pieces in code.contents(each for each in code.manifest.entries if each.kind != "l"):
        path = folder / "code" / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(pieces)
    for name, data in written.template.helpers.items():
        path = folder / "template" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "code").mkdir(exist_ok=True)
    return folder / "code"


def _downloads(written: Written, folder: Path, tell: Listener) -> tuple[dict[str, str], TreeSource]:
    place = folder / "downloads"
    place.mkdir(exist_ok=True)
    found = {}
    for download in written.job.downloads:
        name = store_name(download.url)
        tell.note(f"fetching {download.url}")
        fetch(download.url, download.sha256, place / name, partial(tell.progress, name))
        found[download.url] = name
    return found, _tree(place, sorted(found.values()))


def _tree(folder: Path, names: list[str]) -> FolderTree:
    """Just these files of a folder, read through links."""
    key = f"bundle {folder.absolute()}"
    return Reading(folder, key, tree_cache(), follow_links=True).tree(Listed(None, names))


def _image(written: Written, target: Target, image: str, folder: Path, tell: Listener) -> tuple[str, TreeSource]:
    """The image's name, and a tree with its tar."""
    name = dict(written.job.image).get(target.arch)  # type: ignore[call-overload]
    place = folder / "image" / _IMAGE
    place.parent.mkdir(exist_ok=True)
    if name is None:
        hint = "`image` of the job names one for each architecture"
        raise InputError("the job names no image for this architecture", value=target.arch, hint=hint)
    if image:
        if not Path(image).is_file():
            raise InputError("no such file", where=image, hint="a tar that `docker save` wrote")
        place.unlink(missing_ok=True)
        place.symlink_to(Path(image).absolute())
    elif not place.is_file():
        save_image(name, target.arch, place, tell.note)
    return name, _tree(place.parent, [_IMAGE])


def open_for(written: Written, path: str | Path, tell: Listener) -> Bundle:
    """A bundle that holds what a job needs. Raises InputError for one that was made of something else."""
    found = open_bundle(Path(path))
    again = f"jobctl bundle {written.config} -o {path}"
    if bool(found.contents.asks) != bool(written.job.environment.install):
        raise InputError("the bundle was made for another job", where=str(path), next_command=again)
    missing = [each.url for each in written.job.downloads if each.url not in found.contents.downloads]
    if missing:
        raise InputError(
            "the bundle lacks a download of the job", where=str(path), value=missing[0], next_command=again
        )
    bundled, code = found.contents.code, written.job.code
    if (bundled.git, bundled.ref) != (code.git, code.ref):
        value = f"{bundled.git or 'a folder'} {bundled.ref or ''}".strip()
        raise InputError(
            "the bundle has other code than the config names", where=str(path), value=value, next_command=again
        )
    if code.path is not None:
        _tell_changes(written, found, again, tell)
    return found


def _tell_changes(written: Written, found: Bundle, again: str, tell: Listener) -> None:
    try:
        now = gather_code(written).manifest
    except InputError:
        return  # the folder is on the machine that made the bundle
    bundled = found.tree("code")
    if bundled and bundled.manifest != now:
        tell.note(f"warning: the code folder has changed since; the bundle's code is sent. To take it along: {again}")
