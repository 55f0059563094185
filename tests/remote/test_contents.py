"""Files of every kind, up and down, over every carrier: what arrives is what was there, or it is told."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.errors import NoSpace, TransferError
from jobctl.host.partial import PIECE
from jobctl.host.trees import Trees
from jobctl.laptop.data_source import make_data_tree
from jobctl.laptop.tree_cache import TreeCache
from jobctl.remote.channel import HostChannel, open_host_channel
from jobctl.remote.lanes import Lanes
from jobctl.remote.local import LocalTransport
from jobctl.remote.pull import Pulled, pull_run
from jobctl.remote.ssh import make_ssh_transport
from jobctl.remote.sync import send_tree
from tests.chaos.small_disk import small_disk
from tests.conftest import WEIRD_NAME
from tests.sshd import Sshd

RUN = "trial-20261128-abcd"
SIZES = [0, 1, PIECE - 1, PIECE, PIECE + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 * PIECE, 18_000_001]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The work_dir."""
    return tmp_path / "host" / WEIRD_NAME


@pytest.fixture(params=["local", "paramiko", "openssh"])
def lanes(request: pytest.FixtureRequest, host: Path) -> Iterator[Lanes]:
    with contextlib.ExitStack() as stack:
        if request.param == "local":
            channel = stack.enter_context(open_host_channel(LocalTransport("box"), root=str(host), python="python3"))
        else:
            server: Sshd = request.getfixturevalue("sshd")
            transport = stack.enter_context(contextlib.closing(make_ssh_transport(server.host())))
            channel = stack.enter_context(open_host_channel(transport, root=str(host), python="python3"))
            if request.param == "openssh":
                further = channel.another()
                assert further is not None and further.in_bulk
                channel = stack.enter_context(further)
        yield stack.enter_context(Lanes(channel))


@pytest.fixture
def local(host: Path) -> Iterator[Lanes]:
    with open_host_channel(LocalTransport("box"), root=str(host), python="python3") as channel, Lanes(channel) as lanes:
        yield lanes


def make_files(folder: Path) -> None:
    folder.mkdir(parents=True)
    for size in SIZES:
        (folder / f"{size} bytes").write_bytes(os.urandom(size))
    (folder / WEIRD_NAME).mkdir()
    (folder / WEIRD_NAME / ("文" * 85)).write_bytes(os.urandom(2_000_000))
    (folder / "\udcff not utf-8").write_bytes(b"x" * 2_000_000)
    (folder / "program").write_bytes(b"#!/bin/sh\n" + os.urandom(2_000_000))
    (folder / "program").chmod(0o755)
    (folder / "script").write_bytes(b"#!/bin/sh\n")
    (folder / "script").chmod(0o755)
    with (folder / "sparse").open("wb") as file:
        file.seek(30 * PIECE + 7)
        file.write(b"in the middle")
        file.truncate(90 * PIECE + 1)


def contents(folder: Path) -> dict[str, tuple[bool, bytes]]:
    """Path -> (executable, bytes) of all files."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".jobctl")]
    return {
        str(path.relative_to(folder)): (bool(path.stat().st_mode & 0o100), path.read_bytes()) for path in sorted(files)
    }


def make_run(host: Path, over: bool = True) -> Path:
    """A run that has left files of every kind in `output`."""
    run = host / "runs" / RUN
    make_files(run / "output")
    (run / "job.json").write_text(
        json.dumps({"version": 1, "run_id": RUN, "stages": [], "artifacts": [{"name": "all", "path": "output/**"}]})
    )
    return run


def pull(lanes: Lanes, target: Path, **more: object) -> Pulled:
    return pull_run(lanes, RUN, target, ["all"], **more)  # type: ignore[arg-type]


def test_files_of_every_kind_go_up(lanes: Lanes, host: Path, tmp_path: Path) -> None:
    make_files(tmp_path / "data")
    tree = make_data_tree(tmp_path / "data", TreeCache(tmp_path / "hashes"))
    sent = send_tree(lanes.channel, tree, lanes=lanes)
    there = Trees(host).dataset("d", sent.digest)
    assert contents(there) == contents(tmp_path / "data")
    assert (there / "sparse").stat().st_blocks * 512 < 10 * PIECE, "holes stay holes"
    assert not list(host.glob("objects/??/.*"))
    again = make_data_tree(tmp_path / "data", TreeCache(tmp_path / "hashes"))
    assert send_tree(lanes.channel, again, lanes=lanes).files == 0


def test_files_of_every_kind_come_down(lanes: Lanes, host: Path, tmp_path: Path) -> None:
    run = make_run(host)
    pulled = pull(lanes, tmp_path / "there")
    assert contents(tmp_path / "there" / "output") == contents(run / "output")
    assert (tmp_path / "there" / "output" / "sparse").stat().st_blocks * 512 < 10 * PIECE, "holes stay holes"
    assert pulled.changed == () and len(pulled.fetched) == len(SIZES) + 5
    umask = os.umask(0o022)
    os.umask(umask)
    assert (tmp_path / "there" / "output" / "1 bytes").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "there" / "output" / "sparse").stat().st_mode & 0o777 == 0o666 & ~umask
    again = pull(lanes, tmp_path / "there")
    assert again.fetched == () and len(again.unchanged) == len(pulled.fetched)


def test_what_vanishes_or_changes_while_it_is_pulled_is_told(local: Lanes, host: Path, tmp_path: Path) -> None:
    run = make_run(host)
    (run / "output" / "zz vanishes").write_bytes(os.urandom(40_000_000))
    (run / "output" / "zz shrinks").write_bytes(os.urandom(40_000_000))

    def meddle(label: str, done: int, total: int) -> None:
        (run / "output" / "zz vanishes").unlink(missing_ok=True)
        os.truncate(run / "output" / "zz shrinks", 1_500_000)

    pulled = pull(local, tmp_path / "there", progress=meddle)
    here = contents(tmp_path / "there" / "output")
    assert pulled.changed == ("output/zz vanishes",)
    assert here["zz shrinks"][1] == (run / "output" / "zz shrinks").read_bytes(), "listed and fetched once more"
    assert "zz vanishes" not in here and here == contents(run / "output")


def test_what_vanishes_while_it_is_sent_ends_the_transfer_with_its_name(
    local: Lanes, host: Path, tmp_path: Path
) -> None:
    make_files(tmp_path / "data")
    (tmp_path / "data" / "zz").write_bytes(os.urandom(40_000_000))
    tree = make_data_tree(tmp_path / "data", TreeCache(tmp_path / "hashes"))

    def meddle(done: int, total: int) -> None:
        (tmp_path / "data" / "zz").unlink(missing_ok=True)

    with pytest.raises(TransferError, match="cannot read a file any more") as raised:
        send_tree(local.channel, tree, meddle, local)
    assert raised.value.where == "zz"
    assert not list(host.glob("trees/*.json"))


@pytest.mark.root
def test_a_full_disk_here_ends_a_pull_and_the_next_goes_on(local: Lanes, host: Path, tmp_path: Path) -> None:
    make_run(host)
    with small_disk(tmp_path / "there", "12m"):
        with pytest.raises(TransferError, match="no space left on this machine"):
            pull(local, tmp_path / "there")
        assert (tmp_path / "there" / "output" / "1 bytes").exists(), "what is complete stays"
    assert pull(local, tmp_path / "there").changed == ()


@pytest.mark.root
def test_a_full_disk_on_the_host_ends_an_upload_and_the_next_goes_on(host: Path, tmp_path: Path) -> None:
    make_files(tmp_path / "data")
    tree = make_data_tree(tmp_path / "data", TreeCache(tmp_path / "hashes"))
    with small_disk(host, "12m"):
        with open_local(host) as channel, pytest.raises(NoSpace):
            send_tree(channel, tree)
        with open_local(host) as channel:
            assert channel.call("runs").header["runs"] == []
    with open_local(host) as channel:
        assert send_tree(channel, tree).files > 0


def open_local(host: Path) -> HostChannel:
    return open_host_channel(LocalTransport("box"), root=str(host), python="python3")
