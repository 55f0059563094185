"""The charts of a report, as data for the page's script: for each series its own x, thinned out to what a screen shows.

A chart is {"id", "title", "x_name", "time", "unit", "series": [{"name", "x", "y", "faint"}], "summary": [sentence]}.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobctl.monitor.columns import Metrics, Number, Table
from jobctl.monitor.downsample import pick, smooth
from jobctl.monitor.evidence import Evidence
from jobctl.monitor.judge import curve_summary

Chart = dict[str, Any]
_EVALS = (("miou", "mIoU"), ("acc", "Acc"), ("kappa", "Kappa"), ("dice", "Dice"), ("auc_roc", "AUC"))
_KNOWN = {"loss", "lr", "ips", "batch_cost_s", "reader_cost_s", "epoch"}
_SMOOTH_FROM = 30  # values; fewer are a curve of their own
_MOST_FURTHER = 12


def make_charts(metrics: Metrics) -> list[Chart]:
    """Those of one run; what there are no values for is left out."""
    train, evals = metrics.train, metrics.evals
    losses = ["loss", *(name for name in train.columns if "loss" in name.lower() and name != "loss")]
    charts = [
        _chart("loss", "Loss", _loss_series(train, losses)),
        _chart("quality", "Evaluation", _series(evals, _EVALS)),
        _chart("lr", "Learning rate", _series(train, (("lr", "lr"),))),
        _chart("ips", "Samples a second, each rank", _series(train, (("ips", "ips"),))),
        _chart("cost", "Time of a batch, and of it waiting for data", _series(train, _COSTS), unit="s"),
    ]
    further = [name for name in train.columns if name not in _KNOWN and name not in losses]
    further_evals = [name for name in evals.columns if name not in dict(_EVALS)]
    for table, names, kind in ((train, further, "train"), (evals, further_evals, "eval")):
        charts += [_chart(f"{kind}-{name}", name, _series(table, ((name, name),))) for name in names[:_MOST_FURTHER]]
    return [chart for chart in charts if chart["series"]]


_COSTS = (("batch_cost_s", "batch_cost"), ("reader_cost_s", "reader_cost"))


def make_host_charts(metrics: Metrics) -> list[Chart]:
    """What cards and host did, over the time."""
    charts = []
    for name, title, unit, scale in (
        ("load_percent", "Cards: load", "%", 1.0),
        ("memory_used_mib", "Cards: memory used", "GiB", 1 / 1024),
        ("temperature_c", "Cards: temperature", "°C", 1.0),
        ("power_w", "Cards: power", "W", 1.0),
    ):
        series = [
            row
            for card, table in sorted(metrics.cards.items())
            for row in _series(table, ((name, f"card {card}"),), scale)
        ]
        charts.append(_chart(f"cards-{name}", title, series, unit, time=True))
    charts.append(
        _chart("host-cpu", "Host: processors busy", _series(metrics.host, (("cpu_percent", "CPU"),)), "%", time=True)
    )
    memory = (("memory_used_mib", "memory used"), ("memory_total_mib", "memory in all"))
    charts.append(_chart("host-memory", "Host: memory", _series(metrics.host, memory, 1 / 1024), "GiB", time=True))
    disk = _series(metrics.host, (("disk_free_mib", "disk free"),), 1 / 1024)
    charts.append(_chart("host-disk", "Host: free disk", disk, "GiB", time=True))
    return [chart for chart in charts if chart["series"]]


def make_comparison(runs: Sequence[Evidence], names: Sequence[str]) -> list[Chart]:
    """The curves of several runs, one over the other. `names`: what each run is called."""
    charts = []
    for column, title in (
        ("loss", "Loss, smoothed"),
        ("miou", "mIoU"),
        ("lr", "Learning rate"),
        ("ips", "Samples a second, each rank"),
    ):
        series: list[Chart] = []
        for run, name in zip(runs, names, strict=True):
            table = run.metrics.evals if column == "miou" else run.metrics.train
            values = table.columns.get(column, [])
            if column == "loss" and len(values) >= _SMOOTH_FROM:
                values = smooth(values)
            series += _one(table.x, values, name)
        charts.append({**_chart(f"compare-{column}", title, series), "compare": True})
    return [chart for chart in charts if chart["series"]]


def _loss_series(train: Table, losses: Iterable[str]) -> list[Chart]:
    series: list[Chart] = []
    for name in losses:
        values = train.columns.get(name, [])
        if len(values) < _SMOOTH_FROM:
            series += _one(train.x, values, name)
        else:
            series += [{**row, "faint": True} for row in _one(train.x, values, name)]
            series += _one(train.x, smooth(values), f"{name}, smoothed")
    return series


def _series(table: Table, columns: Iterable[tuple[str, str]], scale: float = 1.0) -> list[Chart]:
    found: list[Chart] = []
    for column, name in columns:
        values = table.columns.get(column, [])
        if scale != 1.0:
            values = [None if value is None else round(value * scale, 3) for value in values]
        found += _one(table.x, values, name)
    return found


def _one(x: Sequence[float], values: Sequence[Number], name: str) -> list[Chart]:
    """A series, if it has a value."""
    if not any(value is not None for value in values):
        return []
    kept = pick([values], len(x))
    row: Chart = {"name": name, "x": [x[at] for at in kept], "y": [values[at] for at in kept], "faint": False}
    return [{**row, "summary": (x, values)}]


def _chart(chart_id: str, title: str, series: list[Chart], unit: str = "", *, time: bool = False) -> Chart:
    x_name = "" if time else "iteration"
    summary = [curve_summary(row["name"], x_name, *row["summary"]) for row in series]
    rows = [{key: value for key, value in row.items() if key != "summary"} for row in series]
    return {
        "id": chart_id,
        "title": title,
        "x_name": x_name,
        "time": time,
        "unit": unit,
        "series": rows,
        "summary": summary,
    }
