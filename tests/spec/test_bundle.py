"""The manifest of a bundle: what could not be unpacked far away is refused where the bundle is made and carried."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobctl.errors import InputError
from jobctl.spec.bundle import parse_contents

HASH = "0" * 64
TARGET = {"arch": "aarch64", "python": "3.9"}


def manifest(*rows: list[Any], **changed: Any) -> bytes:
    trees = {"code": rows or [["train.py", "f", 1, HASH]]}
    data = {"version": 1, "name": "n", "target": TARGET, "code": {}, "downloads": {}, "trees": trees}
    return json.dumps(data | changed).encode()


BAD: dict[str, tuple[bytes, str]] = {
    "a way out": (manifest(["../../evil.py", "f", 1, HASH]), "'../../evil.py'"),
    "the root": (manifest(["/etc/evil", "f", 1, HASH]), "'/etc/evil'"),
    "no name": (manifest(["", "f", 1, HASH]), "not allowed in a tree: ''"),
    "the same twice": (manifest(["a", "f", 1, HASH], ["a", "l", 1, "b"]), "two files of one name"),
    "a file that is a folder": (manifest(["a", "f", 1, HASH], ["a/b/c", "f", 1, HASH]), "a file below a file"),
    "what is below a link": (manifest(["a", "l", 1, "/etc"], ["a/passwd", "f", 1, HASH]), "a file below a file"),
    "a download from elsewhere": (manifest(downloads={"https://x/y": "../y"}), "a download that is not in it"),
    "a newer version": (manifest(version=2), "a newer jobctl made it?"),
    "no JSON": (b"{", "it is damaged?"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_manifest_that_no_host_would_take_is_refused_with_the_reason(name: str) -> None:
    data, said = BAD[name]
    with pytest.raises(InputError) as caught:
        parse_contents(data, "it.bundle")
    assert (caught.value.where, said in caught.value.hint) == ("it.bundle", True), caught.value


def test_a_good_one_is_taken() -> None:
    found = parse_contents(manifest(["a b/$(c)\n.py", "f", 1, HASH], ["a b/link", "l", 3, "../x"]), "it.bundle")
    assert [member.path for member in found.trees["code"]] == ["a b/$(c)\n.py", "a b/link"]
