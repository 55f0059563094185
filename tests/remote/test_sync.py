"""Trees that are sent over a real channel, to a host program of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.errors import TransferError
from jobctl.laptop.hash_cache import HashCache
from jobctl.laptop.tree_source import FolderTree, make_data_tree
from jobctl.remote.channel import HostChannel, open_host_channel
from jobctl.remote.local import LocalTransport
from jobctl.remote.sync import send_tree

SMALL, LARGE = 2000, 20_000_000  # how many, how many bytes


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The work_dir."""
    return tmp_path / "host"


@pytest.fixture
def channel(host: Path) -> Iterator[HostChannel]:
    with open_host_channel(LocalTransport("box"), root=str(host), python="python3") as opened:
        yield opened


def make_tree(folder: Path) -> FolderTree:
    """Many small files, which keep the host busy, then sparse large ones."""
    (folder / "0").mkdir(parents=True, exist_ok=True)
    for number in range(SMALL):
        (folder / "0" / f"{number:05}").write_text(str(number))
    for number in (1, 2, 3):
        with (folder / f"{number}.bin").open("wb") as file:
            file.write(b"%d" % number)
            file.truncate(LARGE)
    return make_data_tree(folder, HashCache(folder.parent / "hashes"))


def test_a_transfer_that_fails_while_much_is_under_way_ends_with_its_reason(
    channel: HostChannel, host: Path, tmp_path: Path
) -> None:
    """The last of the small files is another when it is sent; by then frames of the large ones have been written."""
    tree = make_tree(tmp_path / "data")
    (tmp_path / "data" / "0" / f"{SMALL - 1:05}").write_text("other")
    with pytest.raises(TransferError, match="changed on the way"):
        send_tree(channel, tree)
    assert channel.call("runs").header["runs"] == [], "the channel goes on"
    assert not list(host.glob("trees/*")) and not list(host.glob("objects/*/.incoming-*"))
    assert send_tree(channel, make_tree(tmp_path / "data")).files <= 4, "what had arrived stays"


def test_a_tree_that_is_there_travels_no_second_time(channel: HostChannel, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "data")
    assert send_tree(channel, tree).files == SMALL + 3
    assert send_tree(channel, tree).files == 0


def test_what_was_cut_days_ago_is_swept_away_and_nothing_younger(
    channel: HostChannel, host: Path, tmp_path: Path
) -> None:
    names = ("objects/aa/.incoming-1", "objects/aa/.incoming-2", "datasets/d/.1.7/image", "datasets/d/.2.7/image")
    for name in names:
        (host / name).parent.mkdir(parents=True, exist_ok=True)
        (host / name).touch()
    for name in ("objects/aa/.incoming-1", "datasets/d/.1.7"):
        os.utime(host / name, (1, 1))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "image").touch()
    send_tree(channel, make_data_tree(tmp_path / "data", HashCache(tmp_path / "hashes")))
    assert [(host / name).exists() for name in names] == [False, True, False, True]
