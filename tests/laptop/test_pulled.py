"""A pull writes nothing outside its target and nothing half, whatever the host says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jobctl.errors import TransferError
from jobctl.host.partial import PIECE
from jobctl.laptop.pulled import Arriving, PullTarget, keep_small
from jobctl.plan.manifest import Entry

OUTSIDE = ["../x", "/etc/x", "a/../../x", "", "a//b", "a/./b", "a/\0b", ".."]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_outside_is_refused(name: str, weird_path: Path) -> None:
    with pytest.raises(TransferError, match="refused"):
        PullTarget(weird_path / "there").path(name)


def test_a_link_in_the_target_is_not_followed(weird_path: Path) -> None:
    target = PullTarget(weird_path / "there")
    (weird_path / "outside").mkdir()
    (weird_path / "there" / "output").symlink_to(weird_path / "outside")
    with pytest.raises(TransferError, match="symbolic link"):
        target.path("output/x")


def entry(content: bytes, path: str = "output/a.bin") -> Entry:
    return Entry(path, "f", len(content), hashlib.sha256(content).hexdigest())


def bring(target: PullTarget, content: bytes, *, announced: bytes | None = None, way: str) -> bool:
    """A file in one piece, or piece by piece; whether it is what was announced."""
    row = entry(content if announced is None else announced)
    if way == "small":
        return keep_small(target, row, content)
    one = Arriving(target, row)
    one.partial.put(0, memoryview(content))
    assert one.partial.hash_on()
    if good := one.partial.verify():
        one.keep()
    one.partial.close()
    return good


ways = pytest.mark.parametrize("way", ["small", "large"])


def test_a_file_gets_its_name_only_when_it_is_whole(weird_path: Path) -> None:
    target = PullTarget(weird_path)
    content = b"a" * PIECE + b"b" * PIECE + b"end"
    one = Arriving(target, entry(content))
    one.partial.put(PIECE, memoryview(content[PIECE : 2 * PIECE]))
    assert not one.partial.hash_on() and not (weird_path / "output" / "a.bin").exists()
    one.partial.close()
    again = Arriving(target, entry(content))
    assert again.partial.missing() == [(0, PIECE), (2 * PIECE, len(content))], "it goes on where it was cut"
    again.partial.put(2 * PIECE, memoryview(b"end"))
    again.partial.put(0, memoryview(content[:PIECE]))
    assert again.partial.hash_on() and again.partial.verify()
    again.keep()
    again.partial.close()
    assert (weird_path / "output" / "a.bin").read_bytes() == content
    assert [path.name for path in (weird_path / "output").iterdir()] == ["a.bin"]


@ways
def test_a_hash_that_lies_leaves_the_old_file_alone_and_nothing_beside_it(weird_path: Path, way: str) -> None:
    target = PullTarget(weird_path)
    (weird_path / "output").mkdir()
    (weird_path / "output" / "a.bin").write_bytes(b"old")
    assert not bring(target, b"wrong", announced=b"whole", way=way)
    assert [path.name for path in (weird_path / "output").iterdir()] == ["a.bin"]
    assert (weird_path / "output" / "a.bin").read_bytes() == b"old"


@ways
def test_a_link_under_the_final_name_is_replaced_and_not_written_through(weird_path: Path, way: str) -> None:
    target = PullTarget(weird_path / "there")
    (weird_path / "precious").write_bytes(b"precious")
    (weird_path / "there" / "output").mkdir()
    (weird_path / "there" / "output" / "a.bin").symlink_to(weird_path / "precious")
    part = weird_path / "there" / "output" / f"a.bin.{entry(b'whole').content[:12]}.part"
    part.symlink_to(weird_path / "precious")
    assert bring(target, b"whole", way=way)
    assert (weird_path / "precious").read_bytes() == b"precious"
    assert (weird_path / "there" / "output" / "a.bin").read_bytes() == b"whole"


@ways
def test_a_file_may_have_the_longest_name_that_there_is(weird_path: Path, way: str) -> None:
    name = "文" * 85
    row = entry(b"whole", name)
    target = PullTarget(weird_path)
    if way == "small":
        assert keep_small(target, row, b"whole")
    else:
        Arriving(target, row).partial.close()
        assert [path.suffix for path in weird_path.iterdir()] == [".part"]


def test_what_was_pulled_and_changed_since_is_not_taken_for_the_same(weird_path: Path) -> None:
    target = PullTarget(weird_path)
    assert bring(target, b"whole", way="small")
    target.remember([entry(b"whole")])
    assert target.known([entry(b"whole")]) == {"output/a.bin": entry(b"whole").content}
    (weird_path / "output" / "a.bin").write_bytes(b"WHOLE")
    assert target.known([entry(b"whole")])["output/a.bin"] != entry(b"whole").content
    (weird_path / ".jobctl-pulled.json").write_text("broken {")
    assert target.known([entry(b"whole")])["output/a.bin"] != entry(b"whole").content
