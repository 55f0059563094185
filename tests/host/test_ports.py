"""Ports of a run's own: no two runs get the same, nobody's are taken, the launcher is told."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from jobctl.host import ports
from jobctl.host.surroundings import with_ports
from tests.host.runs import Json, make_job, run_job

HOLDER = {"run_id": "run-1"}
SHOW = "import json, os; json.dump(dict(os.environ), open('output/env.json', 'w'))"


def test_two_runs_get_different_ports_and_a_run_that_has_ended_gives_its_own_back(tmp_path: Path) -> None:
    one, other = ports.acquire(tmp_path, 4, HOLDER), ports.acquire(tmp_path, 4, HOLDER)
    assert one and other
    assert abs(one.base - other.base) >= ports.BLOCK
    one.release()
    again = ports.acquire(tmp_path, 4, HOLDER)
    assert again and again.base <= one.base
    for held in (again, other):
        held.release()


def test_a_block_in_which_somebody_listens_is_passed_over(tmp_path: Path) -> None:
    first = ports.acquire(tmp_path, 4, HOLDER)
    assert first
    first.release()
    with socket.socket() as listener:
        try:
            listener.bind(("", first.base + 40))
        except OSError:
            pytest.skip("somebody else has just taken the port")
        listener.listen()
        second = ports.acquire(tmp_path, 4, HOLDER)
        assert second and second.base != first.base
        second.release()


def test_more_ranks_than_a_block_is_for_get_none(tmp_path: Path) -> None:
    assert ports.acquire(tmp_path, 31, HOLDER) is None


BLOCKS = {
    "as Linux comes": ((32768, 60999), 20000, 32736),
    "the lower part is given to outgoing connections": ((1024, 25000), 25056, 32736),
    "all of it is": ((1024, 65535), 20000, 32672),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_ports_of_outgoing_connections_are_left_alone_where_there_are_others(name: str) -> None:
    ephemeral, first, last = BLOCKS[name]
    found = [base for _, base in ports.blocks(ephemeral)]
    assert found[0] == first
    assert last - ports.BLOCK <= found[-1] <= last
    assert found[-1] + ports.BLOCK <= 32768


def environment_of(root: Path, run_id: str, **fields: object) -> tuple[Json, Json]:
    step = {"argv": [sys.executable, "-c", SHOW], "distributed": True}
    status = run_job(root, make_job(run_id, [{"name": "s", "steps": [step]}], **fields))
    assert status["state"] == "SUCCEEDED", status
    return status, json.loads((root / "runs" / run_id / "output" / "env.json").read_text())


def test_ranks_are_told_their_ports_and_the_job_may_say_otherwise(tmp_path: Path) -> None:
    status, environ = environment_of(tmp_path, "ports-1")
    base = status["ports"]["base"]
    assert status["ports"]["count"] == ports.BLOCK
    assert environ["PORT_RANGE"] == f"{base}:{base + 31}"
    assert "HCCL_IF_BASE_PORT" not in environ
    _, environ = environment_of(tmp_path, "ports-2", env={"PORT_RANGE": "40000:40100"})
    assert environ["PORT_RANGE"] == "40000:40100"


def test_with_cards_hccl_gets_the_other_half() -> None:
    assert with_ports({"A": "1"}, "npu", 20064) == {
        "A": "1",
        "PORT_RANGE": "20064:20095",
        "HCCL_IF_BASE_PORT": "20096",
    }


def test_a_run_without_ranks_has_no_ports_and_one_without_a_lease_folder_runs_all_the_same(tmp_path: Path) -> None:
    status = run_job(tmp_path, make_job("no-ranks", [{"name": "s", "steps": [{"argv": ["true"]}]}]))
    assert (status["state"], status["ports"]) == ("SUCCEEDED", None)
    (tmp_path / "a file").touch()
    status, environ = environment_of(tmp_path, "ports-3", lease_dir=str(tmp_path / "a file"))
    assert status["ports"] is None
    assert "PORT_RANGE" not in environ
