"""In which values runs differ, for a table with one row a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobctl.monitor.facts import flat

_LEFT_OUT = ("version", "stages")  # of the stages their commands' options are taken


def differing_values(jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Name of a value -> run id -> the value, where they are not the same in all runs. `jobs`: their `job.json`."""
    known = {run_id: values_of(job) for run_id, job in jobs.items()}
    names = dict.fromkeys(name for values in known.values() for name in values)
    columns = {name: {run_id: values[name] for run_id, values in known.items() if name in values} for name in names}
    return {
        name: column for name, column in columns.items() if len(set(column.values())) > 1 or len(column) < len(known)
    }


def values_of(spec: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a job, `code.ref`, and the options of its commands, `train --learning_rate`."""
    job = spec.get("job")
    fields = job if isinstance(job, Mapping) else {}
    found = flat({name: value for name, value in fields.items() if name not in _LEFT_OUT})
    code = spec.get("code")
    if isinstance(code, Mapping) and code.get("commit"):
        found["commit"] = str(code["commit"])
    for stage in fields.get("stages") or []:
        for step in stage.get("steps") or []:
            found |= {f"{stage.get('name')} {name}": value for name, value in _options(step.get("argv") or [])}
    return found


def _options(argv: Iterable[object]) -> Iterable[tuple[str, str]]:
    """`--name value value`, `--name=value` and `--name` of a command line."""
    name, values = "", list[str]()
    for word in [*map(str, argv), "--"]:
        if word.startswith("--"):
            if name:
                yield name, " ".join(values)
            name, _, value = word.partition("=")
            values = [value] if value else []
        else:
            values.append(word)
