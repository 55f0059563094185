"""Curves as PNG files for a paper, by matplotlib, which is an extra of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobctl.errors import InputError
from jobctl.monitor.charts import make_charts, make_comparison
from jobctl.monitor.evidence import Evidence

_WIDTH_IN, _HEIGHT_IN, _DPI = 4.5, 3.0, 300
_STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def check_matplotlib() -> None:
    """Raises InputError with the command that installs it."""
    try:
        import matplotlib  # noqa: F401 (only whether it is there)
    except ImportError as error:
        raise InputError(
            "curves as PNG need matplotlib, which is not installed",
            where="--png",
            value=str(error),
            next_command="pip install matplotlib",
        ) from None


def draw_curves(runs: Sequence[Evidence], folder: Path) -> Iterator[Path]:
    """One file for each curve; the files as they are there. Raises OSError."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    name = runs[0].run_id if len(runs) == 1 else "comparison"
    charts = make_charts(runs[0].metrics) if len(runs) == 1 else make_comparison(runs, [run.run_id for run in runs])
    for chart in charts:
        with mpl.rc_context(_STYLE):
            path = folder / f"{name}-{re.sub(r'[^A-Za-z0-9_-]', '_', chart['id'])}.png"
            drawn, axes = pyplot.subplots(figsize=(_WIDTH_IN, _HEIGHT_IN), layout="constrained")
            _draw(axes, chart)
            drawn.savefig(path, dpi=_DPI)
            pyplot.close(drawn)
            yield path


def _draw(axes: Any, chart: dict[str, Any]) -> None:
    colour = 0
    for series in chart["series"]:
        y = [float("nan") if value is None else value for value in series["y"]]
        marker = "o" if len(y) < 40 else None
        alpha = 0.35 if series["faint"] else 1.0
        axes.plot(series["x"], y, color=f"C{colour}", alpha=alpha, lw=1.2, marker=marker, ms=3, label=series["name"])
        colour += 0 if series["faint"] else 1
    axes.set_xlabel(chart["x_name"])
    axes.set_ylabel(f"{chart['title']} ({chart['unit']})" if chart["unit"] else chart["title"])
    if len(chart["series"]) > 1:
        axes.legend()
