"""Which processes are a run's, and that exactly these end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobctl.host import processes
from jobctl.host.processes import Process

SLEEP = [sys.executable, "-c", "import time; time.sleep(3600)"]
IGNORE_TERM = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(3600)"
FORK_ON_TERM = (
    "import os, signal, subprocess, sys, time\n"
    "def again(*_):\n"
    "    subprocess.Popen(['sleep', '3600'], start_new_session=True); os._exit(0)\n"
    "signal.signal(15, again); print(1, flush=True); time.sleep(3600)"
)


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes; those that a test leaves behind are ended."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(argv: list[str], run_dir: Path | None = None) -> subprocess.Popen[bytes]:
        environ = {**os.environ, **(processes.marks_of(run_dir) if run_dir else {})}
        child = subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, start_new_session=True)
        started.append(child)
        return child

    yield begin
    for child in started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def pids(found: list[Process]) -> set[int]:
    return {process.pid for process in found}


def read_line(child: subprocess.Popen[bytes]) -> None:
    assert child.stdout is not None
    child.stdout.readline()


def test_a_marked_process_is_found_in_any_session_and_no_other(start: Start, weird_path: Path) -> None:
    mine, other = start(SLEEP, weird_path / "a" / "run-1"), start(SLEEP, weird_path / "a" / "run-10")
    of_another_work_dir, stranger = start(SLEEP, weird_path / "b" / "run-1"), start(SLEEP)
    assert pids(processes.processes_of(weird_path / "a" / "run-1")) == {mine.pid}
    assert pids(processes.processes_of(weird_path / "a" / "run-10")) == {other.pid}
    assert pids(processes.processes_of(weird_path / "b" / "run-1")) == {of_another_work_dir.pid}
    assert stranger.poll() is None


def test_a_run_is_found_by_another_spelling_of_its_folder(start: Start, tmp_path: Path) -> None:
    (tmp_path / "real" / "run-1").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    child = start(SLEEP, tmp_path / "link" / "run-1")
    assert pids(processes.processes_of(tmp_path / "real" / "run-1")) == {child.pid}


def test_descendants_are_found_without_a_mark(start: Start, tmp_path: Path) -> None:
    parent = start(["sh", "-c", "env -u JOBCTL_RUN_ID sleep 3600 & echo $!; wait"])
    assert parent.stdout is not None
    grandchild = int(parent.stdout.readline())
    assert grandchild in pids(processes.processes_of(tmp_path / "run-none", root_pid=os.getpid()))
    os.kill(grandchild, signal.SIGKILL)


def test_ourselves_are_never_among_them(tmp_path: Path) -> None:
    found = processes.processes_of(tmp_path / "run-1", root_pid=os.getppid())
    assert os.getpid() not in pids(found)
    assert os.getppid() not in pids(found)


@pytest.mark.parametrize("script", [IGNORE_TERM, FORK_ON_TERM], ids=["ignores TERM", "forks on TERM"])
def test_everything_ends_whatever_it_does_about_it(start: Start, tmp_path: Path, script: str) -> None:
    read_line(start([sys.executable, "-c", script], tmp_path / "run-2"))
    assert processes.end_all(lambda: processes.processes_of(tmp_path / "run-2"), grace_s=0.3) == []
    assert processes.processes_of(tmp_path / "run-2") == []


def test_another_process_under_a_known_pid_is_not_signalled(start: Start) -> None:
    child = start(SLEEP)
    found = processes.look_up(child.pid)
    assert found is not None
    assert not processes.send(found._replace(start_ticks=found.start_ticks - 1), signal.SIGKILL)
    assert child.poll() is None
    assert processes.send(found, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not processes.send(found, signal.SIGKILL)


def test_a_zombie_is_not_alive(start: Start, tmp_path: Path) -> None:
    child = start(["true"], tmp_path / "run-3")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    found = processes.look_up(child.pid)
    assert found is not None
    assert found.state == "Z"
    assert not processes.is_alive(child.pid, found.start_ticks)
    assert processes.processes_of(tmp_path / "run-3") == []


def test_a_name_with_parentheses_and_spaces_does_not_confuse_the_table(start: Start, tmp_path: Path) -> None:
    odd = tmp_path / "a) S 1 (b"
    odd.symlink_to("/bin/sleep")
    child = start([str(odd), "3600"])
    found = processes.look_up(child.pid)
    assert found is not None
    assert (found.pid, found.ppid) == (child.pid, os.getpid())
