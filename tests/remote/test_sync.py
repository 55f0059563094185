"""Trees that are sent over a real channel, to a host program of their own."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.errors import TransferError
from jobctl.laptop.data_source import make_data_tree
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.tree_source import TreeSource
from jobctl.remote.channel import HostChannel, open_host_channel
from jobctl.remote.local import LocalTransport
from jobctl.remote.packing import Pace, frames, pack
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


def make_tree(folder: Path) -> TreeSource:
    """Many small files, which keep the host busy, then sparse large ones."""
    (folder / "0").mkdir(parents=True, exist_ok=True)
    for number in range(SMALL):
        (folder / "0" / f"{number:05}").write_text(str(number))
    for number in (1, 2, 3):
        with (folder / f"{number}.bin").open("wb") as file:
            file.write(b"%d" % number)
            file.truncate(LARGE)
    return make_data_tree(folder, TreeCache(folder.parent / "hashes"))


def test_a_transfer_that_fails_while_much_is_under_way_ends_with_its_reason(
    channel: HostChannel, host: Path, tmp_path: Path
) -> None:
    """The last of the small files is another when it is sent; by then frames of the large ones have been written."""
    tree = make_tree(tmp_path / "data")
    (tmp_path / "data" / "0" / f"{SMALL - 1:05}").write_text("other")
    with pytest.raises(TransferError, match="changed on the way"):
        send_tree(channel, tree)
    assert channel.call("runs").header["runs"] == [], "the channel goes on"
    assert not list(host.glob("trees/*"))
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
    send_tree(channel, make_data_tree(tmp_path / "data", TreeCache(tmp_path / "hashes")))
    end = time.monotonic() + 60
    while (host / names[0]).exists() or (host / names[2]).exists():
        assert time.monotonic() < end, "they are still there"
        time.sleep(0.01)
    assert [(host / name).exists() for name in names] == [False, True, False, True]


def settled_tree(folder: Path, files: dict[str, bytes], cache: TreeCache) -> TreeSource:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return make_data_tree(folder, cache)


FILES = {f"{number:03}.py": b"print(%d)\n" % number * 50 for number in range(200)}


def test_a_small_change_takes_one_question_and_brings_the_changed_file_only(
    channel: HostChannel, host: Path, tmp_path: Path
) -> None:
    cache = TreeCache(tmp_path / "cache")
    first = settled_tree(tmp_path / "data", FILES, cache)
    assert send_tree(channel, first).files == len(FILES)
    (tmp_path / "data" / "000.py").unlink()
    changed = settled_tree(tmp_path / "data", {"007.py": b"changed", "new.py": b"new", "empty.py": b""}, cache)
    asked = channel.round_trips
    assert send_tree(channel, changed).files == 3
    assert channel.round_trips == asked + 1
    assert (host / "trees" / f"{changed.manifest.digest}.json").read_bytes() == changed.manifest.data
    assert send_tree(channel, settled_tree(tmp_path / "data", {}, cache)).files == 0


def test_a_change_of_a_tree_that_the_host_never_had_brings_all_of_it(channel: HostChannel, tmp_path: Path) -> None:
    cache = TreeCache(tmp_path / "cache")
    settled_tree(tmp_path / "data", FILES, cache)
    changed = settled_tree(tmp_path / "data", {"007.py": b"changed"}, cache)
    assert changed.base is not None
    assert send_tree(channel, changed).files == len(FILES)


def test_a_changed_file_that_changes_again_while_it_is_sent_leaves_nothing_half_done(
    channel: HostChannel, host: Path, tmp_path: Path
) -> None:
    cache = TreeCache(tmp_path / "cache")
    send_tree(channel, settled_tree(tmp_path / "data", FILES, cache))
    changed = settled_tree(tmp_path / "data", {"007.py": b"changed"}, cache)
    (tmp_path / "data" / "007.py").write_bytes(b"CHANGED")
    with pytest.raises(TransferError, match="changed on the way"):
        send_tree(channel, changed)
    assert not (host / "trees" / f"{changed.manifest.digest}.json").exists()
    assert send_tree(channel, settled_tree(tmp_path / "data", {}, cache)).files == 1


def test_contents_that_are_lost_on_the_host_are_noticed_when_one_looks(
    channel: HostChannel, host: Path, tmp_path: Path
) -> None:
    tree = settled_tree(tmp_path / "data", FILES, TreeCache(tmp_path / "cache"))
    send_tree(channel, tree)
    content = tree.manifest.entries[5].content
    (host / "objects" / content[:2] / content).unlink()
    for name in (host / "trees").iterdir():
        name.unlink()
    assert send_tree(channel, tree, look=True).files == 1


@pytest.mark.parametrize("round_trip_s", [0.0, 0.05, 5.0])
def test_what_becomes_smaller_is_compressed_where_the_link_is_slow_and_nothing_else_is(round_trip_s: float) -> None:
    source = Path(__file__).read_bytes() * 20
    for content, shrinks in ((source, True), (os.urandom(len(source)), False)):
        fields, packed = pack(content, Pace(round_trip_s))
        if shrinks and round_trip_s >= 0.05:
            assert zlib.decompress(packed) == content and fields == {"plain": len(content)}
        else:
            assert packed == content and not fields


def test_compressed_contents_arrive_as_they_are(host: Path, tmp_path: Path) -> None:
    """Over a channel that takes its time, so that compression pays."""
    tree = settled_tree(tmp_path / "data", {"a": b"text " * 10**6, "b": os.urandom(10**5)}, TreeCache(tmp_path / "c"))
    with open_host_channel(LocalTransport("box"), root=str(host), python="python3") as channel:
        with channel.exchange("tree_send", zlib.compress(tree.manifest.data), digest=tree.manifest.digest) as exchange:
            missing = exchange.receive().header["missing"]
            indexes = {tree.manifest.entry(index): index for index in missing}
            for parts, payload in frames(tree, indexes):
                fields, packed = pack(payload, Pace(1.0))
                assert fields, "half of it is text"
                exchange.send(packed, parts=parts, **fields)
            while exchange.receive().header.get("more"):
                pass
        assert send_tree(channel, tree).files == 0
    for entry in tree.manifest.entries:
        data = (host / "objects" / entry.content[:2] / entry.content).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry.content


HOSTILE: dict[str, list[object]] = {
    "a name that leads up": [["../x", "l", 1, "y"]],
    "an absolute name": [["/x", "l", 1, "y"]],
    "a hash that is a path": [["x", "f", 1, "../../../../tmp/x"]],
    "an unknown kind": [["x", "d", 1, "y"]],
    "a row that is none": [["x"]],
    "no row": [7],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_is_none_is_refused(name: str, channel: HostChannel, host: Path) -> None:
    data = b"".join(json.dumps(row).encode() + b"\n" for row in HOSTILE[name])
    with pytest.raises(TransferError):
        channel.call("tree_send", zlib.compress(data), digest=hashlib.sha256(data).hexdigest())
    with pytest.raises(TransferError, match="not the one"):
        channel.call("tree_send", zlib.compress(b""), digest="0" * 64)
    assert not list(host.glob("trees/*")) and not list(host.glob("objects/*"))
