"""The folder in which all users of a host agree: open to everybody, trusted by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobctl.host import lease_dir
from jobctl.host.lease_dir import BadLeaseDir, Note
from jobctl.host.locks import is_held
from jobctl.host.tickets import Ticket, Wants, may_take
from tests.host.runs import make_job, python_stage, run_job

ROOT = Path(__file__).resolve().parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lease_dir.prepare(str(tmp_path / "leases"))


def test_the_folder_is_made_for_everybody_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        made = lease_dir.prepare(str(tmp_path / "leases"))
    finally:
        os.umask(before)
    assert made.stat().st_mode & 0o7777 == 0o1777
    assert lease_dir.prepare(str(made)) == made


def a_link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir(mode=0o777)
    path.symlink_to("elsewhere")


def mode(number: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir()
        path.chmod(number)

    return make


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link": (a_link, "is a link or a file"),
    "a file": (Path.touch, "is a link or a file"),
    "for its owner only": (mode(0o755), "has mode 755, .*chmod 1777"),
    "without the sticky bit": (mode(0o777), "has mode 777, .*chmod 1777"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_folder_that_is_not_safe_is_refused(tmp_path: Path, name: str) -> None:
    make, words = BAD[name]
    make(tmp_path / "leases")
    with pytest.raises(BadLeaseDir, match=words):
        lease_dir.prepare(str(tmp_path / "leases"))


def test_a_run_for_cards_says_why_it_does_not_use_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    job = make_job("bad-1", [python_stage("s", "pass")], device="npu", lease_dir=str(tmp_path / "a file"))
    status = run_job(tmp_path, job)
    assert status["state"] == "FAILED"
    assert status["reason"].startswith("the lease folder ")
    assert status["verdict"]["kind"] == "cards"


def test_a_lease_is_taken_once_until_it_is_let_go(folder: Path) -> None:
    held = lease_dir.take(folder / "npu0.lock")
    assert held is not None
    assert lease_dir.take(folder / "npu0.lock") is None
    lease_dir.let_go([held])
    again = lease_dir.take(folder / "npu0.lock")
    assert again is not None
    os.close(again)


def test_a_link_a_pipe_or_a_second_name_is_no_lease(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    (folder / "soft").symlink_to(tmp_path / "mine")
    os.link(tmp_path / "mine", folder / "hard")
    os.mkfifo(folder / "pipe")
    for name in ("soft", "hard", "pipe"):
        with pytest.raises(BadLeaseDir, match=name):
            lease_dir.take(folder / name)
        assert not is_held(folder / name)
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_lease_whose_file_was_replaced_can_be_taken_anew(folder: Path) -> None:
    old = lease_dir.take(folder / "npu0.lock")
    assert old is not None
    (folder / "npu0.lock").unlink()
    new = lease_dir.take(folder / "npu0.lock")
    assert new is not None
    assert lease_dir.is_at(new, folder / "npu0.lock")
    assert not lease_dir.is_at(old, folder / "npu0.lock")
    for descriptor in (old, new):
        os.close(descriptor)


def test_a_touched_lease_is_young(folder: Path) -> None:
    held = lease_dir.take(folder / "npu0.lock")
    assert held is not None
    os.utime(folder / "npu0.lock", (1, 1))
    lease_dir.touch([held])
    assert (folder / "npu0.lock").stat().st_mtime > 1e9
    os.close(held)


NOTES: dict[str, tuple[object, Note]] = {
    "a list": ([1], Note()),
    "numbers in place of texts": ({"run_id": 5, "by": None, "since": "now", "run_dir": "runs"}, Note()),
    "a terminal's control characters": ({"run_id": "a\x1b[2Jb\n"}, Note(run_id="a?[2Jb?")),
    "very long": ({"by": "x" * 5000}, Note(by="x" * 100)),
    "a time that is none": ({"since": 1e300}, Note()),
    "as we write it": (
        {"run_id": "r", "by": "a@b", "since": 5, "run_dir": "/x"},
        Note(run_id="r", by="a@b", since=5.0, run_dir="/x"),
    ),
}


@pytest.mark.parametrize("name", NOTES)
def test_of_what_a_stranger_wrote_only_what_makes_sense_is_believed(name: str) -> None:
    found, note = NOTES[name]
    assert lease_dir.parse_note(found) == note


def test_a_note_that_is_no_json_or_far_too_long_is_no_note(folder: Path) -> None:
    (folder / "npu0.lock").write_bytes(b"\xff\xfe")
    (folder / "npu1.lock").write_bytes(b'{"run_id": "' + b"x" * 10_000_000 + b'"}')
    (folder / "npu2.lock").write_bytes(b"[" * 4000)
    assert [lease_dir.read_note(folder / f"npu{card}.lock") for card in range(3)] == [Note()] * 3


EIGHT = list(range(8))
ME = Wants("me", 2)
TURNS: dict[str, tuple[list[Wants], Wants, list[int]]] = {
    "nobody is ahead": ([], ME, EIGHT),
    "one who wants any cards is ahead": ([Wants("a", 8)], ME, []),
    "even one who wants few": ([Wants("a", 1)], Wants("me", 1, [7]), []),
    "one who wants certain cards leaves the others": ([Wants("a", 2, [0, 1])], ME, [2, 3, 4, 5, 6, 7]),
    "mine are others": ([Wants("a", 2, [0, 1]), Wants("b", 1, [2])], Wants("me", 2, [6, 5]), [6, 5]),
    "mine are among them": ([Wants("a", 2, [0, 1])], Wants("me", 2, [1, 2]), []),
    "one ahead wants the host alone": ([Wants("a", 1, [0], exclusive=True)], Wants("me", 1, [7]), []),
    "I want the host alone": ([Wants("a", 1, [0])], Wants("me", 1, [7], exclusive=True), []),
    "I want it alone and am first": ([], Wants("me", 1, exclusive=True), EIGHT),
    "a certain one behind an uncertain one": ([Wants("a", 1, [0]), Wants("b", 4)], Wants("me", 1, [7]), []),
}


@pytest.mark.parametrize("name", TURNS)
def test_nobody_is_overtaken_by_one_who_could_delay_him(name: str) -> None:
    ahead, mine, cards = TURNS[name]
    assert may_take(ahead, mine, EIGHT) == cards


def test_tickets_are_served_in_the_order_they_were_drawn(folder: Path) -> None:
    with Ticket(folder, Wants("a", 4)) as first, Ticket(folder, Wants("b", 2, [6, 7])) as second:
        with Ticket(folder, Wants("c", 1, exclusive=True)) as third:
            assert first.ahead() == []
            assert second.ahead() == [Wants("a", 4)]
            assert third.ahead() == [Wants("a", 4), Wants("b", 2, [6, 7])]
        with Ticket(folder, Wants("d", 1)) as fourth:
            assert [other.run_id for other in fourth.ahead()] == ["a", "b"]
    assert list(folder.iterdir()) == []


def test_a_ticket_whose_drawer_died_holds_up_nobody_and_goes(folder: Path) -> None:
    (folder / "ticket-000000000001").write_text('{"run_id": "dead"}')
    with Ticket(folder, Wants("a", 4)) as ticket:
        assert ticket.ahead() == []
    assert list(folder.iterdir()) == []


HOLDS = """
import os, sys
from pathlib import Path
from jobctl.host import lease_dir
from jobctl.host.tickets import Ticket, Wants
os.setgroups([]), os.setgid(65534), os.setuid(65534)  # after the imports: not everybody can read this Python
folder = lease_dir.prepare(sys.argv[1])
held = lease_dir.take(folder / "npu0.lock")
if held is not None:
    lease_dir.write_note(held, {"run_id": "of-nobody", "by": "nobody@there"})
with Ticket(folder, Wants("of-nobody", 4)):
    print("ready" if held is not None else "refused", flush=True)
    sys.stdin.read()
    os._exit(0)
"""


def as_nobody(source: str, *args: str) -> subprocess.Popen[str]:
    """Python that becomes another user; it says a word and goes on when its standard input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", source, *args], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Where another user can get at it: pytest keeps its own folders for their owner only."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        if not all(parent.stat().st_mode & 0o001 for parent in Path(name).parents):
            pytest.skip("nobody else may look into the folder for temporary files")
        yield lease_dir.prepare(str(Path(name) / "leases"))


@needs_root
def test_users_hold_cards_and_wait_for_each_other_on_the_same_files(open_folder: Path) -> None:
    mine = lease_dir.take(open_folder / "npu0.lock")
    assert mine is not None
    lease_dir.let_go([mine])  # the file is root's from now on
    with as_nobody(HOLDS, str(open_folder)) as other:
        assert other.stdout and other.stdout.readline() == "ready\n"
        assert lease_dir.take(open_folder / "npu0.lock") is None
        assert lease_dir.read_note(open_folder / "npu0.lock") == Note(run_id="of-nobody", by="nobody@there")
        with Ticket(open_folder, Wants("mine", 1)) as ticket:
            assert ticket.ahead() == [Wants("of-nobody", 4)]
            assert other.stdin
            other.stdin.close()
            other.wait()
            assert ticket.ahead() == []
    again = lease_dir.take(open_folder / "npu0.lock")
    assert again is not None

    with as_nobody(HOLDS, str(open_folder)) as other:
        assert other.stdout and other.stdout.readline() == "refused\n"
        assert other.stdin
        other.stdin.close()
    os.close(again)
