"""Records of runs: what is broken or from another version stops nobody, and what cannot be written is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobctl.errors import InputError, RunNotFound
from jobctl.laptop.records import Record, Records


def make_record(run_id: str) -> Record:
    return Record(run_id, "trial", "box", {"name": "box", "address": "box", "transport": "local"}, 1.0)


def change(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


BROKEN: tuple[dict[str, Any], ...] = (
    {"run_id": 5},
    {"run_id": "../../elsewhere"},
    {"host": None},
    {"host_name": 7},
    {"submitted_at": "now"},
    {"seen_at": "x"},
    {"status": [1]},
    {"status": {}},
)


@pytest.mark.parametrize("fields", BROKEN, ids=str)
def test_a_record_that_is_none_is_passed_over(weird_path: Path, fields: dict[str, Any]) -> None:
    records = Records(weird_path)
    records.save(make_record("good"))
    records.save(make_record("bad"))
    change(weird_path / "bad.json", fields)
    assert [record.run_id for record in records.all()] == ["good"]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "{broken", "[" * 100_000])
def test_a_file_that_is_no_json_is_passed_over(weird_path: Path, text: str) -> None:
    (weird_path / "x.json").write_text(text)
    (weird_path / "folder.json").mkdir()
    assert Records(weird_path).all() == []


def test_a_record_of_a_newer_version_is_read(weird_path: Path) -> None:
    records = Records(weird_path)
    records.save(make_record("newer"))
    change(weird_path / "newer.json", {"pinned": True})
    assert records.find("new").host_name == "box"


def test_an_empty_word_names_no_run_although_there_is_only_one(weird_path: Path) -> None:
    records = Records(weird_path)
    records.save(make_record("only"))
    assert records.find(None).run_id == "only"
    with pytest.raises(RunNotFound, match="empty"):
        records.find("")


def test_what_cannot_be_written_is_said_with_the_way_out(weird_path: Path) -> None:
    (weird_path / "file").write_text("")
    records = Records(weird_path / "file" / "runs")
    with pytest.raises(InputError) as raised:
        records.save(make_record("a"))
    assert "JOBCTL_HOME" in raised.value.hint
    with pytest.raises(InputError), records.claim("digest", lambda: make_record("a")):
        pass
    records.seen(make_record("a"), {"state": "RUNNING"})  # the run does not depend on it
