"""A pull writes nothing outside its target and nothing half, whatever the host says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jobctl.errors import TransferError
from jobctl.laptop.pulled import Part, PullTarget
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


def test_a_file_gets_its_name_only_when_it_is_whole(weird_path: Path) -> None:
    target = PullTarget(weird_path)
    part = Part(target, entry(b"whole"))
    part.write(b"who")
    assert not (weird_path / "output" / "a.bin").exists()
    part.close()
    again = Part(target, entry(b"whole"))
    assert again.offset == 3, "it goes on where it was cut"
    again.write(b"le")
    assert again.finish()
    assert (weird_path / "output" / "a.bin").read_bytes() == b"whole"


def test_a_hash_that_lies_leaves_the_old_file_alone_and_nothing_beside_it(weird_path: Path) -> None:
    target = PullTarget(weird_path)
    (weird_path / "output").mkdir()
    (weird_path / "output" / "a.bin").write_bytes(b"old")
    part = Part(target, entry(b"whole"))
    part.write(b"wrong")
    assert not part.finish()
    assert [path.name for path in (weird_path / "output").iterdir()] == ["a.bin"]
    assert (weird_path / "output" / "a.bin").read_bytes() == b"old"


def test_an_endless_file_is_cut_off_at_what_was_announced(weird_path: Path) -> None:
    part = Part(PullTarget(weird_path), entry(b"whole"))
    with pytest.raises(TransferError, match="more than it announced"):
        part.write(b"whole and more")
    assert not list((weird_path / "output").iterdir())


def test_a_link_under_the_final_name_is_replaced_and_not_written_through(weird_path: Path) -> None:
    target = PullTarget(weird_path / "there")
    (weird_path / "precious").write_bytes(b"precious")
    (weird_path / "there" / "output").mkdir()
    (weird_path / "there" / "output" / "a.bin").symlink_to(weird_path / "precious")
    part = Part(target, entry(b"whole"))
    part.write(b"whole")
    assert part.finish()
    assert (weird_path / "precious").read_bytes() == b"precious"
    assert (weird_path / "there" / "output" / "a.bin").read_bytes() == b"whole"


def test_what_was_pulled_and_changed_since_is_not_taken_for_the_same(weird_path: Path) -> None:
    target = PullTarget(weird_path)
    part = Part(target, entry(b"whole"))
    part.write(b"whole")
    assert part.finish()
    target.remember([entry(b"whole")])
    assert target.known([entry(b"whole")]) == {"output/a.bin": entry(b"whole").content}
    (weird_path / "output" / "a.bin").write_bytes(b"WHOLE")
    assert target.known([entry(b"whole")])["output/a.bin"] != entry(b"whole").content
    (weird_path / ".jobctl-pulled.json").write_text("broken {")
    assert target.known([entry(b"whole")])["output/a.bin"] != entry(b"whole").content
