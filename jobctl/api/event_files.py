"""A run's metrics as the files that TensorBoard and VisualDL open, written by the tools' own record formats.

Each time the whole file anew, under a name that the run gives: however often it is written, each point is in it once.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jobctl.errors import InputError
from jobctl.laptop.pulled import PullTarget, keep_small
from jobctl.laptop.records import Record
from jobctl.monitor.columns import Metrics
from jobctl.monitor.scalars import Point, make_points
from jobctl.plan.manifest import Entry

_WRITERS = {"tensorboard": "tensorboardX", "visualdl": "visualdl"}
"""Tool -> the package that writes its files; the extra has the tool's name."""


def check_writers(tools: Sequence[str]) -> None:
    """Raises InputError with the command that installs what is missing."""
    for tool in tools:
        try:
            importlib.import_module(_WRITERS[tool])
        except ImportError as error:
            raise InputError(
                f"event files for {tool} need {_WRITERS[tool]}, which is not installed",
                where=f"--{tool}",
                value=str(error),
                next_command=f"pip install 'jobctl[{tool}]'",
            ) from None


def write_event_files(record: Record, metrics: Metrics, folder: Path, tools: Sequence[str]) -> tuple[str, ...]:
    """The files, relative to `folder`; none where there are no metrics. Raises TransferError, OSError."""
    points = list(make_points(metrics))
    if not points:
        return ()
    at = int(record.submitted_at)
    target = PullTarget(folder)
    files = {
        "tensorboard": (f"events.out.tfevents.{at:010d}.{record.run_id}", _tensorboard),
        "visualdl": (f"vdlrecords.{at:010d}.log", _visualdl),
    }
    written = []
    for tool in tools:
        name, make = files[tool]
        data = make(points)
        entry = Entry(f"{tool}/{name}", "f", len(data), hashlib.sha256(data).hexdigest())
        keep_small(target, entry, data)
        written.append(entry.path)
    return tuple(written)


def _tensorboard(points: Sequence[Point]) -> bytes:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter

    with tempfile.TemporaryDirectory(prefix="jobctl-events-") as folder:  # its writer takes a path, nothing else
        path = Path(folder) / "events"
        writer = RecordWriter(str(path))
        writer.write(Event(wall_time=points[0].at, file_version="brain.Event:2").SerializeToString())
        for point in points:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in point.values.items()]
            event = Event(wall_time=point.at, step=point.step, summary=Summary(value=values))
            writer.write(event.SerializeToString())
        writer.close()
        return path.read_bytes()


def _visualdl(points: Sequence[Point]) -> bytes:
    from visualdl.component.base_component import scalar
    from visualdl.writer.record_writer import RecordWriter

    memory = io.BytesIO()
    writer = RecordWriter(memory)
    for point in points:
        at_ms = round(point.at * 1000)
        for tag, value in point.values.items():
            writer.write(scalar(tag, value, point.step, at_ms).SerializeToString())
    return memory.getvalue()
