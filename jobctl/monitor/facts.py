"""The tables of a report: figures, classes, stages, what makes a run reproducible, what differs between runs. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobctl.monitor.cityscapes import colour_of, names_for
from jobctl.monitor.evidence import Evidence, duration, moment

Row = dict[str, Any]
_LEFT_OUT = ("stages",)  # of the comparison: commands follow from the values


def figures(run: Evidence) -> list[Row]:
    """The few numbers that everybody asks for: {"label", "value", "note"}."""
    metrics, progress = run.metrics, run.status.get("progress") or {}
    rows = []
    best = metrics.best_miou if metrics.best_miou is not None else progress.get("best_miou")
    if best is not None:
        at = metrics.best_iter if metrics.best_iter is not None else progress.get("best_iter")
        rows.append({"label": "Best mIoU", "value": f"{best:.4f}", "note": f"at iteration {at}"})
    if (loss := metrics.train.last("loss")) is not None:
        rows.append({"label": "Last loss", "value": f"{loss:.4f}", "note": f"at iteration {metrics.train.x[-1]:.0f}"})
    if (done := metrics.train.x[-1] if metrics.train.x else progress.get("iter")) is not None:
        total = metrics.iters or progress.get("iters")
        rows.append({"label": "Iterations", "value": f"{done:,.0f}", "note": f"of {total:,}" if total else ""})
    if (acc := metrics.evals.last("acc")) is not None:
        rows.append({"label": "Accuracy", "value": f"{acc:.4f}", "note": "last evaluation"})
    if (ips := metrics.train.last("ips")) is not None:
        ranks = (run.job or {}).get("cards")
        total = f"{ips * ranks:.2f} with {ranks} ranks" if isinstance(ranks, int) and ranks > 1 else ""
        rows.append({"label": "Samples a second", "value": f"{ips:.2f}", "note": f"each rank; {total}".rstrip("; ")})
    if took := run_duration(run):
        rows.append({"label": "Took", "value": took, "note": moment(run.status.get("started_at"))})
    return rows


def run_duration(run: Evidence) -> str:
    """From its start to its end, or to what was heard last."""
    began, ended = run.status.get("started_at"), run.status.get("ended_at") or run.status.get("updated_at")
    return duration(ended - began) if isinstance(began, int | float) and isinstance(ended, int | float) else ""


def class_table(run: Evidence) -> Row | None:
    """{"iter", "rows": [{"name", "colour", "iou", "precision", "recall"}]}: of the best evaluation, else the last."""
    found = run.metrics.best_classes or run.metrics.classes
    if "iou" not in found:
        return None
    iou = found["iou"].values
    names = names_for(len(iou))
    others = {
        name: found[name].values if name in found and len(found[name].values) == len(iou) else (None,) * len(iou)
        for name in ("precision", "recall")
    }
    rows = [
        {
            "name": name,
            "colour": colour_of(index) if len(iou) == 19 else None,
            "iou": iou[index],
            "precision": others["precision"][index],
            "recall": others["recall"][index],
        }
        for index, name in enumerate(names)
    ]
    return {"iter": found["iou"].iter, "rows": rows, "best": bool(run.metrics.best_classes)}


def stages(run: Evidence) -> list[Row]:
    """Each stage with its place on a line from the run's start to its end, in percent."""
    rows = [stage for stage in run.status.get("stages") or [] if isinstance(stage, Mapping)]
    times = [at for stage in rows for at in (stage.get("started_at"), stage.get("ended_at")) if at]
    last = max([*times, run.status.get("ended_at") or run.status.get("updated_at") or 0.0], default=0.0)
    first = min(times, default=last)
    whole = max(last - first, 1e-9)
    found = []
    for stage in rows:
        began = stage.get("started_at")
        ended = stage.get("ended_at") or (last if began else None)
        found.append(
            {
                "name": stage.get("name"),
                "state": stage.get("state"),
                "began": moment(began),
                "took": duration(ended - began) if began and ended else "",
                "attempts": stage.get("attempts") or 0,
                "reason": stage.get("reason"),
                "left": round(100 * (began - first) / whole, 2) if began else 0.0,
                "width": round(max(0.4, 100 * (ended - began) / whole), 2) if began and ended else 0.0,
            }
        )
    return found


def reproducibility(run: Evidence) -> list[tuple[str, str]]:
    """What somebody needs to do the same again: (name, value); what is not known is left out."""
    job, environment = run.job or {}, run.environment or {}
    code, spec = job.get("code") or {}, job.get("environment") or {}
    retries = run.status.get("resumes") or 0
    rows = [
        ("Run", run.run_id),
        ("Host", run.host_name),
        ("Config", run.config),
        ("Submitted", f"{moment(job.get('submitted_at') or run.submitted_at)} by {job.get('submitted_by') or '?'}"),
        ("Device", f"{job['device']}, {job.get('cards')} ranks" if job.get("device") else ""),
        ("Cards", ", ".join(map(str, run.status.get("cards") or []))),
        ("Code", " ".join(str(code[key]) for key in ("git", "path") if code.get(key))),
        ("Ref", code.get("ref")),
        ("Commit", code.get("commit")),
        ("Tree digest", code.get("tree")),
        (
            "Data",
            "; ".join(
                f"{data.get('name')}: {data.get('target') or data.get('link')}" for data in _dicts(job.get("data"))
            ),
        ),
        ("Python", _python(environment.get("python")) or spec.get("python")),
        ("Environment", environment.get("path")),
        ("Resumed", f"{retries} times" if retries else ""),
    ]
    return [(name, str(value)) for name, value in rows if value]


def packages(run: Evidence) -> list[str]:
    """`name==version` of what the environment holds, where the host has written it down."""
    found = (run.environment or {}).get("versions")
    if isinstance(found, Mapping):
        return sorted(f"{name}=={version}" for name, version in found.items())
    return sorted(str(line) for line in found) if isinstance(found, list) else []


def job_text(run: Evidence) -> str:
    """The job as it was rendered; JSON, which is YAML as well."""
    job = (run.job or {}).get("job")
    return json.dumps(job, indent=2, ensure_ascii=False) if job else ""


def differences(runs: Sequence[Evidence]) -> tuple[list[Row], list[Row]]:
    """({"name", "values"} where the runs differ, the same where they agree): results first, then the job's fields."""
    results = [_results(run) for run in runs]
    jobs = [
        flat({key: value for key, value in ((run.job or {}).get("job") or {}).items() if key not in _LEFT_OUT})
        for run in runs
    ]
    differ: list[Row] = []
    agree: list[Row] = []
    for columns in (results, jobs):
        for name in dict.fromkeys(name for column in columns for name in column):
            values = [column.get(name, "") for column in columns]
            (differ if len(set(values)) > 1 else agree).append({"name": name, "values": values})
    return differ, agree


def _results(run: Evidence) -> dict[str, str]:
    found = {"state": run.state}
    found |= {row["label"]: f"{row['value']} {row['note']}".strip() for row in figures(run) if row["label"] != "Took"}
    code = (run.job or {}).get("code") or {}
    return found | {"took": run_duration(run), "host": run.host_name, "commit": str(code.get("commit") or "")}


def flat(value: object, name: str = "") -> dict[str, str]:
    """Nested mappings as one: `code.ref` -> its value as text."""
    if isinstance(value, Mapping) and value:
        rows: dict[str, str] = {}
        for key, inner in value.items():
            rows |= flat(inner, f"{name}.{key}" if name else str(key))
        return rows
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}


def _python(found: object) -> str:
    if not isinstance(found, Mapping):
        return str(found or "")
    return " ".join(str(found[key]) for key in ("version", "arch", "executable") if found.get(key))


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
