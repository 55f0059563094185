"""A file that arrives in pieces, from several at once, and whoever writes may be killed at any moment."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from jobctl.host.pack import Pack, unpack
from jobctl.host.partial import PIECE, Overtaken, Partial
from jobctl.host.taker import Taker

CONTENT = random.Random(7).randbytes(9 * PIECE + 5)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def open_partial(folder: Path) -> Partial:
    return Partial(str(folder / "beside"), len(CONTENT), SHA256)


def put(partial: Partial, index: int) -> None:
    partial.put(index * PIECE, memoryview(CONTENT)[index * PIECE : (index + 1) * PIECE])


def put_in_disorder(folder: Path, seed: int, opened: Barrier | None = None) -> None:
    partial = open_partial(folder)
    if opened:
        opened.wait(60)
    order = list(range(10))
    random.Random(seed).shuffle(order)
    for index in order:
        try:
            put(partial, index)
        except Overtaken:
            return


def test_several_processes_bring_the_same_file_and_one_finishes_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    opened = context.Barrier(4)
    workers = [context.Process(target=put_in_disorder, args=(tmp_path, seed, opened)) for seed in range(3)]
    partial = open_partial(tmp_path)
    for worker in workers:
        worker.start()
    opened.wait(60)
    while not partial.hash_on():
        pass
    assert partial.verify()
    partial.finish(str(tmp_path / "final"), 0o444, sync=False)
    partial.close()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert (tmp_path / "final").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_nobody_writes_to_a_file_that_has_its_final_name(tmp_path: Path) -> None:
    late = open_partial(tmp_path)
    put_in_disorder(tmp_path, 1)
    partial = open_partial(tmp_path)
    assert partial.missing() == [] and partial.hash_on() and partial.verify()
    partial.finish(str(tmp_path / "final"), 0o444, sync=False)
    for one in (late, partial):
        with pytest.raises(Overtaken):
            put(one, 3)
        one.close()
    assert (tmp_path / "final").read_bytes() == CONTENT


def test_a_piece_that_is_there_is_never_changed(tmp_path: Path) -> None:
    partial = open_partial(tmp_path)
    put(partial, 1)
    partial.put(0, memoryview(b"x" * 3 * PIECE))
    partial.put_zeros(PIECE, PIECE)
    partial.close()
    found = (tmp_path / "beside").read_bytes()
    assert found[: 3 * PIECE] == b"x" * PIECE + CONTENT[PIECE : 2 * PIECE] + b"x" * PIECE


def test_zeros_take_the_place_of_half_a_piece_that_a_kill_left(tmp_path: Path) -> None:
    data = bytes(2 * PIECE)
    partial = Partial(str(tmp_path / "beside"), len(data), hashlib.sha256(data).hexdigest())
    with (tmp_path / "beside").open("r+b") as file:
        file.write(b"half")
    partial.put_zeros(0, len(data))
    assert partial.hash_on() and partial.verify()
    partial.close()


def test_one_that_was_killed_between_its_last_two_steps_is_whole(tmp_path: Path) -> None:
    put_in_disorder(tmp_path, 1)
    os.truncate(tmp_path / "beside", len(CONTENT))
    partial = open_partial(tmp_path)
    assert partial.missing() == [] and partial.hash_on() and partial.verify()
    partial.close()


@pytest.mark.parametrize("found", [b"", b"short", CONTENT + b"\1" * 11], ids=["nothing", "short", "long"])
def test_what_is_no_beginning_of_it_is_thrown_away(tmp_path: Path, found: bytes) -> None:
    (tmp_path / "beside").write_bytes(found)
    partial = open_partial(tmp_path)
    assert partial.missing() == [(0, len(CONTENT))]
    partial.close()


def test_another_content_leaves_nothing(tmp_path: Path) -> None:
    partial = open_partial(tmp_path)
    partial.put(0, memoryview(CONTENT[:-1] + b"?"))
    assert partial.hash_on() and not partial.verify()
    partial.close()
    assert not list(tmp_path.iterdir())


def test_offsets_beyond_four_gigabytes(tmp_path: Path) -> None:
    """A hole, so that the test costs nothing; nothing is hashed."""
    size = (1 << 32) + PIECE + 7
    partial = Partial(str(tmp_path / "beside"), size, "0" * 64)
    partial.put((1 << 32) + PIECE, memoryview(b"the end"))
    partial.put_zeros(0, 1 << 32)
    assert partial.missing() == [(1 << 32, (1 << 32) + PIECE)]
    partial.close()
    with (tmp_path / "beside").open("rb") as file:
        file.seek((1 << 32) + PIECE)
        assert file.read(7) == b"the end"
    assert (tmp_path / "beside").stat().st_blocks * 512 < 4 * PIECE


def test_any_bytes_in_any_steps_arrive_as_they_were(tmp_path: Path) -> None:
    chance = random.Random(20261128)
    for turn in range(30):
        blocks = [bytes(PIECE), b"x" * PIECE, chance.randbytes(PIECE), bytes(chance.randrange(1, PIECE))]
        data = b"".join(chance.choice(blocks) for _ in range(chance.randrange(1, 9)))
        partial = Partial(str(tmp_path / str(turn)), len(data), hashlib.sha256(data).hexdigest())
        taker = Taker(0, len(data), partial)

        def send(payload: bytes, parts: list[list[int]], taker: Taker = taker) -> None:
            for _, piece, length in unpack(parts, payload, 1):
                taker.take(piece, length)

        pack = Pack(send)
        at = 0
        while at < len(data):
            step = chance.choice([PIECE, 4 * PIECE, chance.randrange(1, 4 * PIECE)])
            pack.add(0, data[at : at + step])
            at += step
        pack.flush()
        assert taker.is_done and partial.hash_on() and partial.verify()
        partial.close()
