"""One HTML file that shows a run, or compares several; and curves as pictures for a paper."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobctl.api.evidence import gather
from jobctl.api.listener import Listener, Silent
from jobctl.errors import InputError
from jobctl.laptop.records import Records
from jobctl.monitor.evidence import Evidence

_MOST_RUNS = 12


@dataclass(frozen=True)
class Reported:
    """`file`: the report. `pictures`: curves that were drawn. `old`: runs whose host could not be asked."""

    file: Path
    run_ids: tuple[str, ...]
    size_bytes: int
    pictures: tuple[Path, ...] = ()
    old: tuple[str, ...] = ()


def report(
    runs: Sequence[str] = (),
    *,
    to: str | Path | None = None,
    png: str | Path | None = None,
    listener: Listener | None = None,
    records: Records | None = None,
) -> Reported:
    """Write the report of `runs` (none: the newest run) to `to`, by default `report-RUN.html` here.

    `png`: a folder for the curves as pictures, which needs matplotlib. Raises RunNotFound, InputError.
    """
    from jobctl.monitor.page import make_report
    from jobctl.monitor.verdict_words import sentence

    tell, book = listener or Silent(), records or Records()
    found = [book.find(run) for run in runs] or [book.find(None)]
    found = list({record.run_id: record for record in found}.values())
    if len(found) > _MOST_RUNS:
        raise InputError(f"at most {_MOST_RUNS} runs are compared in one report", value=len(found))
    if png is not None:
        from jobctl.api.paper import check_matplotlib

        check_matplotlib()
    file = Path(to) if to is not None else Path(_default_name([record.run_id for record in found]))
    if file.is_dir():
        raise InputError("a folder stands where the report should go", where=str(file), hint="-o names a file")
    evidence = [gather(record, book, tell) for record in found]
    text = make_report(evidence, time.time(), sentence)
    _write(file, text.encode("utf-8", "replace"))
    pictures: tuple[Path, ...] = ()
    if png is not None:
        pictures = _draw(evidence, Path(png))
    old = tuple(run.run_id for run in evidence if run.age_s is not None)
    return Reported(file, tuple(run.run_id for run in evidence), file.stat().st_size, pictures, old)


def _draw(evidence: Sequence[Evidence], folder: Path) -> tuple[Path, ...]:
    from jobctl.api.paper import draw_curves

    try:
        return tuple(draw_curves(evidence, folder))
    except OSError as error:
        raise InputError(f"cannot write the curves: {error.strerror}", where=str(folder)) from None


def _default_name(run_ids: Sequence[str]) -> str:
    more = f"-and-{len(run_ids) - 1}-more" if len(run_ids) > 1 else ""
    return f"report-{run_ids[0]}{more}.html"


def _write(file: Path, data: bytes) -> None:
    """Under its name a report is whole. Raises InputError."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"cannot write the report: {error.strerror}", where=str(file)) from None
