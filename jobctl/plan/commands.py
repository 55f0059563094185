"""The job for eyes: its YAML, and below it each stage's commands as one would type them. Pure.

Quoted so that they can be read and copied; what is run is the argv, and no shell sees it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from jobctl.plan.launcher import LAUNCH, make_argv, make_env
from jobctl.spec.job import Code, Environment, Job, Stage, Step
from jobctl.spec.yaml_write import dump

WIDTH = 110


def make_text(job: Job) -> str:
    """YAML of the job, then its commands as comments: the whole is still YAML. No newline at the end."""
    commands = "\n".join(f"# {line}".rstrip() for line in make_commands(job).split("\n"))
    return f"{make_yaml(job)}\n{commands}"


def make_yaml(job: Job) -> str:
    """The job as YAML that reads back as the same job. What is at its default is left out."""
    data: dict[str, Any] = {"version": job.version, **job.model_dump(mode="json", exclude_defaults=True)}
    return dump(data, width=WIDTH)


def make_commands(job: Job) -> str:
    """Each stage's commands, in order, with what they must leave."""
    on = f"{job.cards} cards" if job.device == "npu" else f"{job.cards} processes on CPUs"
    lines = [f"In the code tree on the host, with {on}:", ""]
    lines += [f"source {quote(path)}" for path in job.environment.source]
    lines += [f"export {name}={quote(value)}" for name, value in make_env(job).items()]
    for stage in job.stages:
        lines += ["", f"== {stage.name} ==", *_stage(stage, job)]
    return "\n".join(lines)


def quote(word: str) -> str:
    """A word for a shell, on one line: bash's $'...' where it holds characters that would leave the line."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(c if c.isprintable() else _escape(c) for c in escaped) + "'"


def wrap(argv: Sequence[str], *, keep: int, before: str = "") -> list[str]:
    """A command on one line, or broken with backslashes before each option after the first `keep` words."""
    words = [quote(word) for word in argv]
    lines = [before + " ".join(words[:keep])]
    for word in words[keep:]:
        if word.startswith("-"):
            lines.append(f"    {word}")
        else:
            lines[-1] += f" {word}"
    whole = " ".join(line.strip() for line in lines)
    return [whole] if len(whole) <= WIDTH else [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _escape(character: str) -> str:
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return known.get(character) or "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8"))


def make_step(step: Step, job: Job) -> list[str]:
    """A step's commands, line by line; those of a builtin step as one would type them."""
    if step.argv == ("@host", "code"):
        return list(_clone(job.code))
    if step.argv == ("@host", "environment"):
        return list(_environment(job.environment))
    return _command(step, job)


def _stage(stage: Stage, job: Job) -> Iterator[str]:
    for step in stage.steps:
        yield from make_step(step, job)
    yield from (f"# must leave {quote(path)}" for path in stage.must_leave)


def _command(step: Step, job: Job) -> list[str]:
    folder = "" if step.cwd == "." else f"cd {quote(step.cwd)} && "
    variables = "".join(f"{name}={quote(value)} " for name, value in step.env.items())
    script = len(LAUNCH) + 3  # the launcher, --devices 0,1,2,3, and the script
    return wrap(make_argv(step, job), keep=script if step.distributed else 2, before=folder + variables)


def _clone(code: Code) -> Iterator[str]:
    ref = [] if code.ref is None else ["-b", code.ref]
    yield from wrap(["git", "clone", str(code.git), *ref, "."], keep=3)


def _environment(environment: Environment) -> Iterator[str]:
    yield f"{quote(environment.python)} -m venv VENV && source VENV/bin/activate    # kept, and shared by equal ones"
    for arguments in environment.install:
        yield from wrap(["pip", "install", *arguments], keep=3)
    if environment.pythonpath:
        yield f"export PYTHONPATH=$PYTHONPATH:{':'.join(map(quote, environment.pythonpath))}"
    if environment.verify:
        yield from wrap(environment.verify, keep=2)
