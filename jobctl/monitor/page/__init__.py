"""The report as one HTML file that needs nothing else: style, script, charts and pictures are in it. Pure.

What comes from runs goes in as text (Jinja2 escapes it) or as JSON whose `<`, `>` and `&` are escapes; scripts and
styles are allowed by their hashes alone (Content-Security-Policy), so nothing that a run says can become one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jobctl.monitor import charts, cityscapes, facts, judge
from jobctl.monitor.evidence import Evidence, duration, moment

STYLES = ("vendor/uplot/uPlot.min.css", "report.css")
SCRIPTS = ("vendor/uplot/uPlot.iife.min.js", "charts.js", "report.js")


def make_report(runs: Sequence[Evidence], made_at: float, verdict_of: Callable[[Mapping[str, Any]], str]) -> str:
    """The whole file. `verdict_of` puts a verdict into a sentence. The first run is the one that others are held to."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"moment": moment, "duration": duration}
    names = short_names(runs)
    views = [_view(run, name, verdict_of, alone=len(runs) == 1) for run, name in zip(runs, names, strict=True)]
    shown = [chart for view in views for chart in (*view["charts"], *view["host_charts"])]
    comparison = charts.make_comparison(runs, names) if len(runs) > 1 else []
    differ, agree = facts.differences(runs) if len(runs) > 1 else ([], [])
    styles, scripts = ([asset(name) for name in kind] for kind in (STYLES, SCRIPTS))
    return environment.from_string(asset("report.html.j2")).render(
        title=f"{runs[0].run_id}: report" if len(runs) == 1 else f"{len(runs)} runs compared",
        views=views,
        names=names,
        comparison=comparison,
        differ=differ,
        agree=agree,
        classes=_compared_classes(runs) if len(runs) > 1 else [],
        legend=[{"name": name, "colour": cityscapes.colour_of(at)} for at, (name, _) in enumerate(cityscapes.CLASSES)],
        made_at=moment(made_at),
        styles=styles,
        scripts=scripts,
        policy=policy(styles, scripts),
        data=as_script_json({"charts": [*comparison, *shown], "palette": [list(rgb) for _, rgb in cityscapes.CLASSES]}),
    )


def short_names(runs: Sequence[Evidence]) -> list[str]:
    """What the runs are called in curves: their ids without what all of them begin with."""
    return [run.run_id for run in runs]


def _view(run: Evidence, name: str, verdict_of: Callable[[Mapping[str, Any]], str], *, alone: bool) -> dict[str, Any]:
    verdict = run.status.get("verdict")
    return {
        "run": run,
        "name": name,
        "status": {"stage": None, "started_at": None, "reason": None, "warnings": None, **run.status},
        "figures": facts.figures(run),
        "findings": judge.findings(run.metrics),
        "verdict": {"text": verdict_of(verdict), "evidence": verdict.get("evidence") or []} if verdict else None,
        "charts": charts.make_charts(run.metrics) if alone else [],
        "host_charts": charts.make_host_charts(run.metrics) if alone else [],
        "classes": facts.class_table(run),
        "stages": facts.stages(run),
        "facts": facts.reproducibility(run),
        "packages": facts.packages(run),
        "job": facts.job_text(run),
    }


def _compared_classes(runs: Sequence[Evidence]) -> list[dict[str, Any]]:
    """The IoU of each class in each run, where all runs have the same classes."""
    tables = [facts.class_table(run) for run in runs]
    counts = {len(table["rows"]) for table in tables if table}
    first = next((table for table in tables if table), None)
    if first is None or len(counts) != 1:
        return []
    return [
        {
            "name": row["name"],
            "colour": row["colour"],
            "iou": [table["rows"][at]["iou"] if table else None for table in tables],
        }
        for at, row in enumerate(first["rows"])
    ]


def as_script_json(value: object) -> Any:
    """JSON that can stand in a script element whatever is in it: no `<`, no `&`, no line separators."""
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """A Content-Security-Policy: these styles and scripts, pictures that are in the file, and nothing else."""

    def hashes(texts: Sequence[str]) -> str:
        digests = (hashlib.sha256(text.encode()).digest() for text in texts)
        return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)

    return (
        f"default-src 'none'; style-src {hashes(styles)}; script-src {hashes(scripts)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def asset(name: str) -> Any:
    """A file of this folder, as it stands in the page: line ends as HTML's parser leaves them, so the hashes hold."""
    from markupsafe import Markup

    text = (resources.files(__name__) / name).read_text(encoding="utf-8")
    return Markup(text.replace("\r\n", "\n"))  # noqa: S704 (ours)
