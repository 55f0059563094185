"""The job for eyes: its YAML, and below it each stage's commands as one would type them. Pure.

Quoted for a shell to be read and copied; no shell ever sees what is run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from jobctl.plan.launcher import LAUNCH, make_argv, make_env
from jobctl.spec.job import Job, Stage, Step

WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def make_text(job: Job) -> str:
    """YAML of the job (what is at its default left out), then its commands as comments: the whole is still YAML."""
    commands = "".join(f"# {line}".rstrip() + "\n" for line in make_commands(job).split("\n"))
    return f"{make_yaml(job)}\n{commands}".rstrip("\n")


def make_yaml(job: Job) -> str:
    """The job as YAML that reads back as the same job."""
    data: dict[str, Any] = {"version": job.version, **job.model_dump(mode="json", exclude_defaults=True)}
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=None)


def make_commands(job: Job) -> str:
    """Each stage's commands, run in the code tree unless they say `cd`."""
    head = [f"The commands of each stage, run in the code tree on the host, with {_hardware(job)}."]
    head += [f"export {name}={shlex.quote(value)}" for name, value in make_env(job).items()]
    head += [f"source {shlex.quote(path)}" for path in job.environment.source]
    return "\n".join(_printable(line) for line in [*head, *(line for stage in job.stages for line in _stage(stage, job))])


def wrap_command(argv: Sequence[str], prefix: Sequence[str] = ()) -> list[str]:
    """A shell-readable command, at most about WIDTH wide: broken before options, with backslashes."""
    words = [*prefix, *(shlex.quote(word) for word in argv)]
    line = " ".join(words)
    if len(line) <= WIDTH:
        return [line]
    lines, current = [], ""
    for index, word in enumerate(words):
        begins_group = word.startswith("-") or index == len(prefix) + len(LAUNCH) + 2
        if current and begins_group and index > len(prefix) + 1 and not words[index - 1] in LAUNCH[:2]:
            lines.append(current)
            current = "    " + word
        else:
            current = f"{current} {word}" if current else word
    return [f"{line} \\" for line in lines] + [current]


def _stage(stage: Stage, job: Job) -> Iterator[str]:
    yield ""
    yield f"-- {stage.name}"
    for step in stage.steps:
        yield from _step(step, job)
    yield from (f"must leave: {path}" for path in stage.must_leave)


def _step(step: Step, job: Job) -> Iterator[str]:
    raise NotImplementedError


def _hardware(job: Job) -> str:
    return f"{job.cards} cards" if job.device == "npu" else f"{job.cards} processes on the CPU"


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
