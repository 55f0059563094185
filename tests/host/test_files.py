"""Small files that are always whole, lines that do not mix, and reading a log as it grows."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from jobctl.host import states
from jobctl.host.files import append_line, read_json, write_bytes, write_json
from jobctl.host.follow import Follower
from jobctl.host.locks import is_held, take_lock


def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_part(weird_path: Path) -> None:
    path = weird_path / "status.json"
    write_json(path, {"n": 0, "fill": ""})
    done = threading.Event()
    seen: list[object] = []

    def read() -> None:
        while not done.is_set():
            seen.append(read_json(path))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(50):
        write_json(path, {"n": number, "fill": "x" * number * 1000})
    done.set()
    reader.join()
    assert None not in seen
    assert os.listdir(weird_path) == ["status.json"]


def test_a_secret_file_is_never_open_to_others(tmp_path: Path) -> None:
    write_bytes(tmp_path / "secrets.json", b"{}", mode=0o600)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"n": 1})
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"n": float("nan")})
    with pytest.raises(OSError):
        write_json(tmp_path / "missing" / "a.json", {})
    assert read_json(tmp_path / "a.json") == {"n": 1}
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe"])
def test_a_broken_file_reads_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert read_json(tmp_path / "x.json") is None
    assert read_json(tmp_path / "missing.json") is None


def test_lines_of_several_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    def write(name: str) -> None:
        for number in range(100):
            append_line(path, {"name": name, "n": number, "fill": name * 500})

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 300


GROWING: dict[str, tuple[list[bytes], list[str]]] = {
    "lines in pieces": ([b"fir", b"st\nsec", b"ond\n"], ["first", "second"]),
    "a letter cut in two": ([b"\xe4\xb8", b"\xad\n"], ["中"]),
    "a progress bar": ([b"1/4 [=>]\r", b"\b\b2/4 [==>]\r\n"], ["1/4 [=>]", "2/4 [==>]"]),
    "bytes that are no text": ([b"a\xff\n"], ["a\ufffd"]),
    "nothing between the ends": ([b"\n\n\r\n"], []),
}


@pytest.mark.parametrize("name", GROWING)
def test_a_growing_log_gives_each_line_once(tmp_path: Path, name: str) -> None:
    pieces, wanted = GROWING[name]
    follower = Follower(tmp_path / "log")
    found = list(follower.lines())
    with (tmp_path / "log").open("ab", buffering=0) as log:
        for piece in pieces:
            log.write(piece)
            found += follower.lines()
    assert found == wanted
    assert list(follower.lines()) == []


def test_a_last_line_without_an_end_is_given_when_the_writer_is_gone(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\nValueError: x")
    follower = Follower(tmp_path / "log")
    assert list(follower.lines()) == ["one"]
    assert list(follower.rest()) == ["ValueError: x"]
    assert list(follower.rest()) == []


def test_a_lock_is_seen_while_it_is_held_and_not_after(weird_path: Path) -> None:
    path = weird_path / "supervisor.lock"
    assert not is_held(path)
    held = take_lock(path, wait_s=0)
    assert held is not None
    assert is_held(path)
    assert take_lock(path, wait_s=0) is None
    os.close(held)
    assert not is_held(path)


@pytest.mark.parametrize("old", [None, "STAGING", "QUEUED", "RUNNING", *sorted(states.FINAL)])
@pytest.mark.parametrize("new", states.RUN_STATES)
def test_states_never_go_back_and_never_leave_a_final_one(old: str | None, new: str) -> None:
    order = ["STAGING", "QUEUED", "RUNNING"]
    allowed = states.may_change(old, new)
    if new == "LOST":
        assert not allowed
    elif old in states.FINAL:
        assert allowed == (new == old)
    elif old in order and new in order:
        assert allowed == (order.index(old) <= order.index(new))
    else:
        assert allowed
