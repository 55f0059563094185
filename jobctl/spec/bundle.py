"""What is in a bundle: everything that a job needs and a host without internet cannot get. Pure.

A bundle is an uncompressed tar: `manifest.json` first, then the contents in a fixed order, without times and owners.
The same inputs make the same file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, ValidationError, model_validator

from jobctl.errors import InputError
from jobctl.spec.fields import Filled, Misfit, Part
from jobctl.spec.lock import Package, Target

MANIFEST = "manifest.json"
TreeName = Literal["code", "wheels", "downloads", "image"]
TREES: tuple[TreeName, ...] = ("code", "wheels", "downloads", "image")
"""In this order in the file."""

Size = Annotated[int, Strict(), Field(ge=0)]


class Member(Part):
    """One file: see jobctl.plan.manifest.Entry."""

    path: str
    kind: Literal["f", "x", "l"]
    size: Size
    content: str


class BundledCode(Part):
    """Where the code is from."""

    git: str | None = None
    ref: str | None = None
    commit: str | None = None


class Contents(Part):
    """The manifest. `asks`: what pip was asked for, as in a lock; null where the job installs nothing."""

    version: Literal[1] = 1
    name: Filled
    target: Target
    asks: Filled | None = None
    packages: tuple[Package, ...] = ()
    code: BundledCode
    downloads: dict[str, str]
    """Address -> path in the tree `downloads`."""
    image: Filled | None = None
    trees: dict[TreeName, tuple[Member, ...]]

    @model_validator(mode="after")
    def _holds_trees(self) -> Contents:
        """What a host would refuse when it is far away is refused here. Raises Misfit."""
        for name, members in self.trees.items():
            _check_paths(name, [member.path for member in members])
        strangers = set(self.downloads.values()) - {member.path for member in self.trees.get("downloads", ())}
        if strangers:
            raise Misfit(f"a download that is not in it: {min(strangers)!r}")
        return self

    @property
    def size_bytes(self) -> int:
        return sum(member.size for tree in self.trees.values() for member in tree)


def _check_paths(tree: str, paths: Sequence[str]) -> None:
    """Raises Misfit for what could lead out of a tree or cannot be in one."""
    known = set(paths)
    if len(known) < len(paths):
        raise Misfit(f"two files of one name in the tree {tree!r}")
    for path in paths:
        parts = path.split("/")
        if "" in parts or "." in parts or ".." in parts or "\0" in path:
            raise Misfit(f"a path that is not allowed in a tree: {path!r}")
        if any("/".join(parts[:depth]) in known for depth in range(1, len(parts))):
            raise Misfit(f"a file below a file: {path!r}")


def member_name(tree: str, member: Member) -> str | None:
    """Its name in the tar; None for a link, which is in the manifest only. Code is named by its content: the tar then
    holds no name that one could not unpack."""
    if member.kind == "l":
        return None
    return f"code/{member.content}" if tree == "code" else f"{tree}/{member.path}"


def dump_contents(contents: Contents) -> bytes:
    """The manifest's bytes: the same for the same contents."""
    data: dict[str, Any] = contents.model_dump(mode="json")
    data["trees"] = {
        name: [[each.path, each.kind, each.size, each.content] for each in tree]
        for name, tree in contents.trees.items()
    }
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=True).encode("ascii") + b"\n"


def parse_contents(data: bytes, source: str) -> Contents:
    """Raises InputError for what is no manifest of ours."""
    try:
        found = json.loads(data)
        found["trees"] = {
            name: [dict(zip(("path", "kind", "size", "content"), row, strict=True)) for row in tree]
            for name, tree in found["trees"].items()
        }
        return Contents.model_validate(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = _misfit(error) or ("a newer jobctl made it?" if isinstance(error, ValidationError) else "it is damaged?")
        raise InputError("this is not a bundle that jobctl understands", where=source, hint=why) from None


def _misfit(error: Exception) -> str:
    """What our own check of the trees said; empty where it was another one."""
    if not isinstance(error, ValidationError):
        return ""
    causes = [details.get("ctx", {}).get("error") for details in error.errors()]
    return next((str(cause) for cause in causes if isinstance(cause, Misfit)), "")
