"""The end of a run reaches everything in its containers and nothing else, whoever brings it about."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from jobctl.host import states
from tests.docker.boxed import BoxedLab, stage, step, training, wait_for
from tests.docker.engine import IMAGE, Engine
from tests.host.runs import marked_processes

STUB = {"environment": {"pythonpath": ["."]}}
FOR_EVER = {"ranks": 2, "iters": 100000, "step_s": 0.05}
SLEEP_S = str(10**6 + os.getpid())
"""By it the tests of a worker find what they have started where nothing else tells: it has no mark."""
HIDDEN = f"trap '' TERM; for n in 1 2; do env -i /usr/bin/sleep {SLEEP_S} & done; echo up; wait; sleep {SLEEP_S}"
"""Ignores SIGTERM, and its children carry no mark."""


@pytest.fixture
def stranger(engine: Engine) -> Iterator[str]:
    """Somebody else's container; it must live."""
    name = "stranger"
    engine.docker("run", "--rm", "-d", "--init", "--network=host", f"--name={name}", IMAGE, "sleep", "infinity")
    yield name
    assert name in engine.docker("ps", "--format", "{{.Names}}").split()
    engine.docker("rm", "-f", name)


def sleepers() -> list[str]:
    """Those that HIDDEN starts, by their command: they have no mark."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as handle:
                found += [name] if SLEEP_S.encode() in handle.read().split(b"\0") else []
        except OSError:
            continue
    return found


def begin(lab: BoxedLab, up: str) -> str:
    run_id = lab.submit()
    wait_for(lambda: up in lab.log(run_id) + lab.log(run_id, "../log/train-1/workerlog.0"))
    assert lab.containers_of(run_id)
    return run_id


def is_gone(lab: BoxedLab, run_id: str) -> None:
    assert lab.containers_of(run_id) == []
    assert marked_processes(lab.run_dir(run_id)) == []
    assert sleepers() == []


@pytest.mark.parametrize("plan", [{}, {"ignore_term": True}], ids=["obeys", "ignores TERM"])
def test_cancel_leaves_no_container_and_no_process(lab: BoxedLab, stranger: str, plan: dict[str, bool]) -> None:
    lab.write_job(training({**FOR_EVER, **plan}), **STUB)
    run_id = lab.submit()
    log = lab.run_dir(run_id) / "log/train-1/workerlog.0"
    wait_for(lambda: log.exists() and "iter: 3/" in log.read_text())
    assert len(marked_processes(lab.run_dir(run_id))) >= 4
    assert "CANCELLED" in lab.run("cancel", run_id, "--grace", "1").out
    is_gone(lab, run_id)
    assert lab.status(run_id)["state"] == states.CANCELLED


def test_cancel_reaches_what_has_no_mark_and_ignores_sigterm(lab: BoxedLab, stranger: str) -> None:
    lab.write_job(stage(step("bash", "-c", HIDDEN)))
    run_id = begin(lab, "\nup\n")
    assert len(sleepers()) == 2
    assert "CANCELLED" in lab.run("cancel", run_id, "--grace", "0.5").out
    is_gone(lab, run_id)


def test_a_supervisor_that_is_killed_leaves_nothing_behind_and_the_run_goes_on(lab: BoxedLab, stranger: str) -> None:
    lab.write_job(stage(step("bash", "-c", f"echo begun; [ -e output/enough ] || sleep {SLEEP_S}")))
    run_id = begin(lab, "\nbegun\n")
    os.kill(lab.status(run_id)["supervisor"]["pid"], signal.SIGKILL)
    wait_for(lambda: lab.status(run_id)["state"] == states.LOST)
    is_gone(lab, run_id)
    (lab.run_dir(run_id) / "output/enough").touch()
    lab.run("resume", run_id)
    assert lab.wait(run_id)["state"] == states.SUCCEEDED


def test_cancel_does_it_alone_where_supervisor_and_keeper_were_killed(lab: BoxedLab, stranger: str) -> None:
    lab.write_job(stage(step("bash", "-c", HIDDEN)))
    run_id = begin(lab, "\nup\n")
    supervisor = lab.status(run_id)["supervisor"]["pid"]
    with open(f"/proc/{supervisor}/stat") as handle:
        keeper = int(handle.read().rpartition(")")[2].split()[1])
    for pid in (keeper, supervisor):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: lab.status(run_id)["state"] == states.LOST)
    assert lab.containers_of(run_id)
    lab.run("cancel", run_id, "--grace", "0.5")
    is_gone(lab, run_id)


def test_a_client_that_is_killed_takes_its_container_with_it(lab: BoxedLab) -> None:
    lab.write_job(stage(step("bash", "-c", f"echo begun; sleep {SLEEP_S}")))
    run_id = begin(lab, "\nbegun\n")
    for pid in clients(lab, run_id):
        os.kill(pid, signal.SIGKILL)
    assert lab.wait(run_id)["state"] == states.FAILED
    is_gone(lab, run_id)


def clients(lab: BoxedLab, run_id: str) -> list[int]:
    """The `docker run` that holds the run's container."""
    supervisor = lab.status(run_id)["supervisor"]["pid"]
    with open(f"/proc/{supervisor}/task/{supervisor}/children") as handle:
        return [int(pid) for pid in handle.read().split()]
