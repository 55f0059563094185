"""Zip archives as datasets: what they unpack to, and what is not touched."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jobctl.errors import InputError, TransferError
from jobctl.laptop.data_source import make_data_tree
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.tree_source import TreeSource
from tests.conftest import WEIRD_NAME

IMAGES = {
    "README": b"read me",
    "license.txt": b"a licence",
    "leftImg8bit/train/aachen/aachen_000000_leftImg8bit.png": os.urandom(3000),
    "leftImg8bit/val/ulm/ulm_000000_leftImg8bit.png": b"",
}
LABELS = {
    "README": b"read me of the labels",
    "license.txt": b"a licence",
    "gtFine/train/aachen/aachen_000000_gtFine_polygons.json": b'{"objects": []}' * 500,
}
TWO_ZIPS = ("gtFine_trainvaltest.zip", "leftImg8bit_trainvaltest.zip")


@pytest.fixture
def cache(tmp_path: Path) -> TreeCache:
    return TreeCache(tmp_path / "cache")


def write_zip(path: Path, files: dict[str, bytes], mode: int = 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


@pytest.fixture
def downloads(weird_path: Path) -> Path:
    """A folder with the two archives that Cityscapes gives, small."""
    folder = weird_path / "downloads"
    folder.mkdir()
    write_zip(folder / TWO_ZIPS[0], LABELS)
    write_zip(folder / TWO_ZIPS[1], IMAGES)
    return folder


def read_all(tree: TreeSource) -> dict[str, bytes]:
    return {entry.path: b"".join(pieces) for entry, pieces in tree.contents(tree.manifest.entries)}


def test_archives_are_the_same_dataset_as_the_folder_that_they_unpack_to(
    downloads: Path, weird_path: Path, cache: TreeCache
) -> None:
    flat = weird_path / "flat"
    for name in TWO_ZIPS:
        with zipfile.ZipFile(downloads / name) as archive:
            for member in archive.namelist():
                if not (flat / member).exists():  # as unzip -n does
                    archive.extract(member, flat)
    of_folder = make_data_tree(downloads, cache)
    assert of_folder.manifest.digest == make_data_tree(flat, cache).manifest.digest
    assert make_data_tree([downloads / name for name in TWO_ZIPS], cache).manifest == of_folder.manifest
    assert read_all(of_folder) == {**IMAGES, **LABELS}
    (left_out,) = of_folder.left_out
    assert left_out.paths == ("README",) and TWO_ZIPS[1] in left_out.reason


def test_a_single_archive_a_file_beside_and_an_executable_keep_what_they_are(tmp_path: Path, cache: TreeCache) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    weird = WEIRD_NAME.replace("\\", "")
    write_zip(folder / "a.ZIP", {"run.sh": b"#!/bin/sh", weird: b"weird"}, mode=0o755)
    (folder / "classes.txt").write_text("road")
    tree = make_data_tree(folder, cache)
    assert {entry.path: entry.kind for entry in tree.manifest.entries} == {
        "run.sh": "x",
        weird: "x",
        "classes.txt": "f",
    }
    assert read_all(tree)["classes.txt"] == b"road"
    assert set(read_all(make_data_tree(folder / "a.ZIP", cache))) == {"run.sh", weird}


def test_archives_beside_folders_or_not_to_be_unpacked_are_files_like_others(downloads: Path, cache: TreeCache) -> None:
    as_files = set(TWO_ZIPS)
    assert set(read_all(make_data_tree(downloads, cache, unpack=False))) == as_files
    (downloads / "leftImg8bit").mkdir()
    (downloads / "leftImg8bit" / "1.png").write_bytes(b"unpacked already")
    assert set(read_all(make_data_tree(downloads, cache))) == {*as_files, "leftImg8bit/1.png"}
    unpacked = read_all(make_data_tree(downloads, cache, unpack=True))
    assert unpacked["leftImg8bit/1.png"] == b"unpacked already" and set(LABELS) < set(unpacked)


def link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")


def twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("a", "2")


def bomb(path: Path) -> None:
    """Claims two gigabytes in its table of contents, which is all that is believed of it."""
    write_zip(path, {"a": b"x"})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (2 << 30).to_bytes(4, "little")
    path.write_bytes(data)


def overlapping(path: Path) -> None:
    """Both entries of the table lead to the first file, as in Fifield's bomb."""
    write_zip(path, {"a": b"x" * 100, "b": b"y" * 100})
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 42 : second + 46] = (1).to_bytes(4, "little")
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    write_zip(path, {"a": b"x"})
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(sign) + offset] |= 1
    path.write_bytes(data)


def unknown_method(path: Path) -> None:
    write_zip(path, {"a": b"x"})
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(sign) + offset] = 9  # Deflate64, which Windows makes of large folders
    path.write_bytes(data)


def damaged(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "content that is stored as it is")
    path.write_bytes(path.read_bytes().replace(b"that is stored", b"that was hurt_"))


def cut(path: Path) -> None:
    write_zip(path, IMAGES)
    path.write_bytes(path.read_bytes()[:-100])


def named(*names: str) -> Callable[[Path], object]:
    return lambda path: write_zip(path, dict.fromkeys(names, b"x"))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a name that leads up": (named("../../.ssh/authorized_keys"), "outside of the dataset"),
    "a name that leads up later": (named("a/../../b"), "outside of the dataset"),
    "an absolute name": (named("/etc/cron.d/x"), "outside of the dataset"),
    "a drive": (named("C:/x"), "outside of the dataset"),
    "a backslash": (named("..\\x"), "outside of the dataset"),
    "an empty part": (named("a//b"), "outside of the dataset"),
    "a folder that leads up": (named("../up/"), "outside of the dataset"),
    "a link": (link, "a link or a device"),
    "two files of one name": (twice, "two files of one name"),
    "a file that is a folder too": (named("a", "a/b"), "a file and a folder of one name"),
    "a bomb": (bomb, "times its size"),
    "entries that overlap": (overlapping, "overlap"),
    "a password": (encrypted, "is encrypted"),
    "an unknown method": (unknown_method, "does not know"),
    "a damaged file": (damaged, "damaged"),
    "a download that was cut": (cut, "not a whole zip archive"),
    "no archive": (lambda path: path.write_bytes(b"<html>404"), "not a whole zip archive"),
    "nothing": (named(), "empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_archive_may_not_hold_is_refused_with_its_name(name: str, tmp_path: Path, cache: TreeCache) -> None:
    make, says = REFUSED[name]
    path = tmp_path / "bad.zip"
    make(path)
    with pytest.raises(InputError, match=says) as caught:
        make_data_tree(path, cache)
    assert str(path) in caught.value.where


def test_two_archives_that_do_not_agree_on_a_file_are_refused(tmp_path: Path, cache: TreeCache) -> None:
    one = write_zip(tmp_path / "1.zip", {"train/a.png": b"one"})
    two = write_zip(tmp_path / "2.zip", {"train/a.png": b"two"})
    with pytest.raises(InputError, match="different files of one name"):
        make_data_tree([one, two], cache)
    three = write_zip(tmp_path / "3.zip", {"train": b"a file"})
    with pytest.raises(InputError, match="the name of a folder"):
        make_data_tree([one, three], cache)


def test_an_archive_that_is_exchanged_before_it_is_sent_is_told(tmp_path: Path, cache: TreeCache) -> None:
    path = write_zip(tmp_path / "a.zip", {"a": b"one"})
    tree = make_data_tree(path, cache)
    write_zip(path, {"a": b"one", "b": b"two"})
    with pytest.raises(TransferError, match="archive changed"):
        read_all(tree)


def test_a_list_of_other_things_than_archives_is_the_users_error(tmp_path: Path, cache: TreeCache) -> None:
    with pytest.raises(InputError, match="this is none"):
        make_data_tree([tmp_path], cache)
    with pytest.raises(InputError, match="no such archive"):
        make_data_tree([tmp_path / "missing.zip"], cache)
    (tmp_path / "x.tar").write_text("x")
    with pytest.raises(InputError, match="a folder or a zip archive"):
        make_data_tree(tmp_path / "x.tar", cache)
