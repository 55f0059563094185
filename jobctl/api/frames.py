"""Runs and their metrics as pandas frames, for notebooks.

from jobctl import Runs
runs = Runs()
runs.frame()[["state", "best_miou"]]
runs.metrics("deeplabv3p-20261123").loss.plot()
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobctl.api.listener import Listener, Silent
from jobctl.api.metrics import MetricsView, series
from jobctl.api.runs import RunView, host_of, runs
from jobctl.errors import InputError, JobctlError
from jobctl.laptop.kept_run import KeptRun
from jobctl.laptop.records import Record, Records
from jobctl.monitor.cityscapes import names_for
from jobctl.monitor.columns import Table
from jobctl.monitor.values import differing_values

if TYPE_CHECKING:
    from pandas import DataFrame

_PROGRESS = ("iter", "iters", "loss", "miou", "best_miou", "best_iter")
_TIMES = ("started_at", "ended_at")
_JOB_BYTES = 8 << 20


class Runs:
    """The runs of this machine. Each call asks the hosts that have something new, and raises as `api.series` does.

    Where a host is away the frame holds what was seen last: its `attrs` have `age_s` and `error`.
    """

    def __init__(self, *, listener: Listener | None = None, records: Records | None = None) -> None:
        self._listener = listener or Silent()
        self._records = records or Records()

    def metrics(self, run: str | None = None) -> DataFrame:
        """What a training printed, a row each line: `time`, `attempt`, `loss`, `lr`, `ips`, ...; by `iter`."""
        view = self._view(run)
        return _frame(view, view.metrics.train, "iter")

    def evals(self, run: str | None = None) -> DataFrame:
        """Its evaluations: `miou`, `acc`, `kappa`, `dice`; by `iter`."""
        view = self._view(run)
        return _frame(view, view.metrics.evals, "iter")

    def classes(self, run: str | None = None, value: str = "iou") -> DataFrame:
        """A column for each class, under Cityscapes' names where there are 19; by `iter`. `value`: or `precision`."""
        view = self._view(run)
        table = view.metrics.class_tables.get(value, Table())
        names = dict(zip(table.columns, names_for(len(table.columns)), strict=True))
        return _frame(view, table, "iter").rename(columns=names)

    def samples(self, run: str | None = None, card: int | None = None) -> DataFrame:
        """The host meanwhile, or one of the run's cards: `cpu_percent`, `load_percent`, ...; by `time`."""
        view = self._view(run)
        table = view.metrics.host if card is None else view.metrics.cards.get(card, Table())
        return _frame(view, table, "seconds").set_index("time")

    def frame(self) -> DataFrame:
        """A row for each run, newest first, by `run_id`: how it stands, and every value in which the runs differ."""
        pandas = _pandas()
        views = runs(listener=self._listener, records=self._records)
        rows = {view.record.run_id: _row(view) for view in views}
        found = pandas.DataFrame.from_dict(rows, orient="index").rename_axis("run_id")
        for name in ("submitted_at", *_TIMES):
            if name in found:
                found[name] = pandas.to_datetime(found[name], unit="s", utc=True)
        for name, column in differing_values(self._jobs([view.record for view in views])).items():
            if name not in found:
                found[name] = pandas.Series(column, dtype=object)
        return found

    def _view(self, run: str | None) -> MetricsView:
        _pandas()
        return series(run, listener=self._listener, records=self._records)

    def _jobs(self, records: list[Record]) -> dict[str, Mapping[str, Any]]:
        """Their job.json. Those that never were here are asked for, over one connection a host; it never changes."""
        missing = defaultdict(list)
        for record in records:
            if KeptRun(record.run_id).read_object("job.json") is None:
                missing[record.host_name].append(record)
        for several in missing.values():
            with suppress(JobctlError):  # a host that is away: then without
                self._bring_jobs(several)
        found = {record.run_id: KeptRun(record.run_id).read_object("job.json") for record in records}
        return {run_id: job for run_id, job in found.items() if job is not None}

    def _bring_jobs(self, several: list[Record]) -> None:
        from jobctl.remote.connect import connect
        from jobctl.remote.one_file import read_file

        self._listener.note(f"asking {several[0].host_name}")
        with connect(host_of(several[0])) as channel:
            for record in several:
                with suppress(InputError):
                    data = b"".join(read_file(channel, record.run_id, "job.json", 0, _JOB_BYTES))
                    KeptRun(record.run_id).write("job.json", data)


def _frame(view: MetricsView, table: Table, index: str) -> DataFrame:
    pandas = _pandas()
    times = pandas.to_datetime(pandas.Series(table.at, dtype=float), unit="s", utc=True)
    columns = {name: pandas.Series(values, dtype=float) for name, values in table.columns.items()}
    found: DataFrame = pandas.DataFrame({"time": times, "attempt": pandas.Series(table.attempt, dtype=int), **columns})
    found.index = pandas.Index([int(x) for x in table.x], name=index, dtype="int64")
    error = str(view.error) if view.error else None
    found.attrs.update(run_id=view.record.run_id, age_s=view.age_s, error=error)
    return found


def _row(view: RunView) -> dict[str, Any]:
    status, record = view.status, view.record
    progress = status.get("progress") or {}
    row = {"name": record.name, "state": status.get("state"), "stage": status.get("stage"), "host": record.host_name}
    row |= {"submitted_at": record.submitted_at, **{name: status.get(name) for name in _TIMES}}
    return row | {name: progress.get(name) for name in _PROGRESS} | {"reason": status.get("reason")}


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            "frames need pandas, which is not installed",
            where="jobctl.Runs",
            value=str(error),
            next_command="pip install 'jobctl[pandas]'",
        ) from None
    return pandas
