"""Gathers what a report says of a run: from its host over one connection, or, when that is away, from what is here."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from jobctl.api.listener import Listener
from jobctl.api.metrics import MetricsReader
from jobctl.api.runs import host_of
from jobctl.errors import HostError, HostProgramError, JobctlError
from jobctl.laptop.kept_run import KeptRun
from jobctl.laptop.records import Record, Records
from jobctl.monitor.evidence import Evidence, Picture
from jobctl.monitor.pictures import data_uri, with_cityscapes_palette
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect
from jobctl.remote.one_file import read_file

_RECORDS = ("job.json", "environment.json")
_LIST = "pictures.json"
_MOST_PICTURES = 6
_PICTURE_BYTES = 6 << 20
_RECORD_BYTES = 8 << 20

Row = tuple[str, int, str]
"""(path, size in bytes, artifact name)"""


def gather(record: Record, book: Records, tell: Listener) -> Evidence:
    """Everything that is known of one run."""
    pulled = Path("results") / record.run_id
    kept = KeptRun(record.run_id, pulled if pulled.is_dir() else None)
    reader = MetricsReader(record)
    notes: list[str] = []
    age_s = None
    try:
        tell.note(f"asking {record.host_name} for {record.run_id}")
        with connect(host_of(record)) as channel:
            _freshen(channel, record, book, reader, kept)
    except HostProgramError:  # it was reached, and is not what it should be
        raise
    except HostError as error:
        age_s = max(0.0, time.time() - record.seen_at) if record.seen_at else 0.0
        notes.append(f"Why it could not be asked: {error.what}.")
        tell.note(f"{record.host_name}: {error.what}; the report is made of what is here")
        if not len(reader.metrics.train) and (data := kept.read("metrics.jsonl")):
            reader.metrics.feed(data)
    job = kept.read_object("job.json")
    rows, left_out = _chosen(_kept_rows(kept) or _pulled_rows(pulled, job or {}))
    if left_out:
        notes.append(f"{left_out} pictures are not shown: too many, or larger than {_PICTURE_BYTES >> 20} MiB.")
    return Evidence(
        run_id=record.run_id,
        host_name=record.host_name,
        status=record.status or {"state": "STAGING"},
        metrics=reader.metrics,
        submitted_at=record.submitted_at,
        config=record.config,
        job=job,
        environment=kept.read_object("environment.json"),
        pictures=_pictures(rows, kept),
        age_s=age_s,
        notes=notes,
    )


def _freshen(channel: HostChannel, record: Record, book: Records, reader: MetricsReader, kept: KeptRun) -> None:
    status = Answer(channel.host, channel.call("status", run_ids=[record.run_id]).header).status_of(record.run_id)
    if status is None:
        return
    book.seen(record, status)
    reader.update(channel)
    for name in _RECORDS:
        if data := _fetch(channel, record.run_id, name, _RECORD_BYTES):
            kept.write(name, data)
    rows = Answer(channel.host, channel.call("pictures", run_id=record.run_id).header).pictures()
    kept.write(_LIST, json.dumps(rows).encode())
    for path, size, _ in _chosen(rows)[0]:
        known = kept.read(path)
        if (known is None or len(known) != size) and (data := _fetch(channel, record.run_id, path, _PICTURE_BYTES)):
            kept.write(path, data)


def _fetch(channel: HostChannel, run_id: str, path: str, most: int) -> bytes:
    """A small file; empty where it is not there, or refused."""
    try:
        return b"".join(read_file(channel, run_id, path, 0, most))
    except HostError:
        raise
    except JobctlError:
        return b""


def _kept_rows(kept: KeptRun) -> list[Row]:
    try:
        found = json.loads(kept.read(_LIST) or b"[]")
        return [(str(path), int(size), str(artifact)) for path, size, artifact in found]
    except (ValueError, TypeError):
        return []


def _pulled_rows(pulled: Path, job: Mapping[str, Any]) -> list[Row]:
    """The same of a folder that the run was pulled to."""
    rows = []
    for artifact in job.get("artifacts") or []:
        pattern = PurePosixPath(str(artifact.get("path")))
        if pattern.is_absolute() or ".." in pattern.parts or not pulled.is_dir():
            continue
        for found in sorted(pulled.glob(str(pattern))):
            for path in sorted(found.rglob("*")) if found.is_dir() else [found]:
                if path.suffix.lower() in (".png", ".jpg", ".jpeg") and path.is_file():
                    name = path.relative_to(pulled).as_posix()
                    rows.append((name, path.stat().st_size, str(artifact.get("name"))))
    return rows


def _chosen(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """(predictions and the inputs of the same name, how many predictions are left out)."""
    small = [row for row in rows if row[1] <= _PICTURE_BYTES]
    inputs = {PurePosixPath(row[0]).stem: row for row in small if _is_input(row)}
    predictions = [row for row in rows if not _is_input(row)]
    shown = [row for row in predictions if row in small][:_MOST_PICTURES]
    pairs = [inputs[stem] for row in shown if (stem := PurePosixPath(row[0]).stem) in inputs]
    return [*shown, *pairs], len(predictions) - len(shown)


def _is_input(row: Row) -> bool:
    return row[2].startswith(("infer_image", "input"))


def _pictures(rows: Sequence[Row], kept: KeptRun) -> list[Picture]:
    inputs = {PurePosixPath(row[0]).stem: row[0] for row in rows if _is_input(row)}
    found = []
    for path, _, _ in (row for row in rows if not _is_input(row)):
        data, name = kept.read(path), PurePosixPath(path).name
        if data is None:
            continue
        recoloured = with_cityscapes_palette(data)
        shown = data_uri(recoloured or data)
        source = kept.read(inputs[stem]) if (stem := PurePosixPath(path).stem) in inputs else None
        if shown:
            found.append(Picture(name, shown, data_uri(source) if source else None, recoloured is not None))
    return found
