"""Why a run failed, or whatever wrote the log files that are handed over."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from jobctl.api.listener import Listener, Silent
from jobctl.api.runs import host_of
from jobctl.diagnose.logs import Log
from jobctl.diagnose.run_logs import RunLog, make_logs
from jobctl.diagnose.verdict import Cause, Diagnosis
from jobctl.diagnose.verdict import diagnose as _diagnose
from jobctl.errors import InputError
from jobctl.host.states import SUCCEEDED
from jobctl.laptop.records import Record, Records
from jobctl.remote.answers import Answer
from jobctl.remote.connect import connect

__all__ = ["Cause", "Diagnosis", "RunDiagnosis", "diagnose", "diagnose_files"]

_LARGEST_BYTES = 64 << 20
_PIECE_BYTES = 1 << 20
_MOST_FILES = 200
_LOG_NAMES = ("workerlog.*", "*.log", "plog-*", "*.txt", "*.out", "*.err")
_SECRET = ("envlog.", "backup_env.")
"""Paddle writes the whole environment into these (3.3.1)."""


@dataclass(frozen=True)
class RunDiagnosis:
    """`diagnosis` None: the run has succeeded, there is nothing to explain."""

    record: Record
    status: dict[str, Any]
    diagnosis: Diagnosis | None


def diagnose_files(names: Sequence[str]) -> Diagnosis:
    """Of log files, folders of them, or `-` for standard input; all of one failure. Raises InputError."""
    logs = [log for name in names for log in _read(name)]
    if not any(log.text.strip() for log in logs):
        raise InputError("there is nothing in it to diagnose", value=", ".join(names))
    return _diagnose(logs)


def diagnose(
    run: str | None = None, *, listener: Listener | None = None, records: Records | None = None
) -> RunDiagnosis:
    """Of a run: its status, the logs of all ranks, of the stage and of CANN, and facts of its host, in one round trip.

    Raises RunNotFound, and HostError where the host cannot be asked.
    """
    book, tell = records or Records(), listener or Silent()
    record = book.find(run)
    tell.note(f"asking {record.host_name} for the logs of {record.run_id}")
    found: list[RunLog] = []
    status: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    with connect(host_of(record)) as channel, channel.exchange("diagnosis", run_id=record.run_id) as exchange:
        for header, payload in exchange:
            told = Answer(channel.host, header)
            if header.get("more"):
                rank = None if header.get("rank") is None else told.integer("rank")
                found.append(RunLog(told.text("file"), rank, payload.decode("utf-8", "replace")))
            else:
                status, facts = told.whole_status("status"), told.mapping("facts")
    book.seen(record, status)
    if status.get("state") == SUCCEEDED:
        return RunDiagnosis(record, status, None)
    return RunDiagnosis(record, status, _diagnose(make_logs(found, status, facts)))


def _read(name: str) -> Iterator[Log]:
    if name == "-":
        yield Log("standard input", _end_of(sys.stdin.buffer).decode("utf-8", "replace"))
        return
    path = Path(name)
    if not path.is_dir():
        yield Log(name, _text(path))
        return
    found = sorted({file for pattern in _LOG_NAMES for file in path.rglob(pattern) if file.is_file()})
    logs = [file for file in found if not file.name.startswith(_SECRET)]
    if not logs:
        raise InputError("there are no logs in this folder", value=name, hint="names such as " + ", ".join(_LOG_NAMES))
    for file in logs[:_MOST_FILES]:
        yield Log(str(file), _text(file))


def _text(path: Path) -> str:
    """Of a file that is too large the end."""
    try:
        with path.open("rb") as handle:
            if handle.seekable():
                handle.seek(max(0, handle.seek(0, os.SEEK_END) - _LARGEST_BYTES))
            return _end_of(handle).decode("utf-8", "replace")
    except OSError as error:
        raise InputError(f"cannot read the log: {error.strerror}", value=str(path)) from None


def _end_of(stream: BinaryIO) -> bytes:
    """Of a pipe, too, whose length nobody knows: a failure is told at the end."""
    end = bytearray()
    while piece := stream.read(_PIECE_BYTES):
        end += piece
        if len(end) > 2 * _LARGEST_BYTES:
            del end[:-_LARGEST_BYTES]
    return bytes(end[-_LARGEST_BYTES:])
