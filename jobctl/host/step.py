"""One step of a stage: the environment it gets, and its start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, Dict, List, NamedTuple, Optional, Union

from . import plog, processes, surroundings
from .files import Json, read_json
from .journal import Journal
from .program import argv_of
from .signals import Signals

if TYPE_CHECKING:
    from .container import Container

TICK_S = 0.5


class Run(NamedTuple):
    """What every part of the supervisor needs to know."""

    root: Path
    run_dir: Path
    job: Json
    journal: Journal
    signals: Signals
    secrets: Dict[str, str]
    cards: List[int]  # as npu-smi numbers them
    devices: List[int]  # the same, as the runtime numbers them
    container: Optional[Container] = None  # None: steps run on the host itself


class StepProblem(Exception):
    """A step cannot be started; the message says why."""


def announce(run: Run, step: Json, log: IO[bytes]) -> None:
    """Write the command into the stage's log, as a shell's `set -x` does."""
    line = "+ {}\n".format(run.journal.hide(surroundings.shown(step["argv"])))
    log.write(line.encode("utf-8", "surrogateescape"))
    log.flush()


def start_step(run: Run, step: Json, environ: Dict[str, str], log: IO[bytes]) -> int:
    """Start a step with its output into the stage's log; its pid. Raises StepProblem."""
    if run.container is not None and is_contained(run, step):
        return run.container.start(run, step, environ, log)
    if step["argv"][0] == "@host":
        return spawn(run, argv_of(step["argv"][1], str(run.run_dir)), run.run_dir, environ, log)
    return spawn(run, list(step["argv"]), run.run_dir / "code" / (step.get("cwd") or "."), environ, log)


def is_contained(run: Run, step: Json) -> bool:
    """Whether a step runs in a container. Clones do not: they need the host's git, not the image's."""
    return run.container is not None and step["argv"][:2] != ["@host", "code"]


def make_environ(run: Run, stage: Json, step: Json, attempt: int) -> Dict[str, str]:
    """The environment contract of ARCHITECTURE.md. Raises StepProblem, and Stopped while a file is sourced."""
    spec = run.job.get("environment") or {}
    sources, devices = spec.get("source") or [], run.devices
    if run.container is not None and is_contained(run, step):
        environ, devices = run.container.base_environ(run, sources), run.container.visible(run)
    else:
        environ = _sourced(run, surroundings.scrub(dict(os.environ)), sources if run.container is None else [])
    venv = (read_json(run.run_dir / "environment.json") or {}).get("path")
    environ = surroundings.with_venv(environ, Path(venv) if venv else None)
    environ = surroundings.with_pythonpath(environ, run.run_dir / "code", spec.get("pythonpath") or [])
    environ = surroundings.with_cards(environ, run.job.get("device", "cpu"), devices)
    if run.journal.status.get("ports"):
        environ = surroundings.with_ports(environ, run.job.get("device", "cpu"), run.journal.status["ports"]["base"])
    environ.setdefault("PYTHONUNBUFFERED", "1")
    if run.job.get("device") == "npu":
        environ[plog.VARIABLE] = plog.prepare(plog.folder(run.run_dir, stage["name"], attempt))
    environ.update(run.job.get("env") or {})
    environ.update(step.get("env") or {})
    environ.update(run.secrets)
    environ.update(
        {
            **processes.marks_of(run.run_dir),
            "JOBCTL_STAGE": stage["name"],
            "JOBCTL_ATTEMPT": str(attempt),
        }
    )
    return environ


def _sourced(run: Run, environ: Dict[str, str], files: List[str]) -> Dict[str, str]:
    if not files:
        return environ
    paths = [os.path.join(str(run.run_dir / "code"), os.path.expanduser(name)) for name in files]
    for path in paths:
        if not os.path.isfile(path):
            raise StepProblem("the file to source is not on this host: " + path)
    import tempfile  # slow to import, seldom needed

    marked = dict(environ, **processes.marks_of(run.run_dir))
    with tempfile.TemporaryFile() as sink, open(str(run.run_dir / "supervisor.log"), "ab") as noise:
        run_aside(run, surroundings.source_argv(paths), marked, sink, noise)
        sink.seek(0)
        found = surroundings.parse_environ(sink.read())
    if not found:
        raise StepProblem("sourcing ended the shell, see supervisor.log: " + " ".join(paths))
    return found


def run_aside(run: Run, argv: List[str], environ: Dict[str, str], out: IO[bytes], err: IO[bytes]) -> int:
    """Run what is no step, such as a pull of an image, to its end; its exit code. Raises StepProblem, Stopped."""
    pid = spawn(run, argv, run.run_dir, environ, out, err)
    while True:
        code = run.signals.exit_code(pid)
        if code is not None:
            return code
        run.signals.pause(TICK_S)
        run.journal.beat()


def spawn(
    run: Run,
    argv: List[str],
    cwd: Path,
    environ: Dict[str, str],
    out: IO[bytes],
    err: Union[IO[bytes], int] = subprocess.STDOUT,
    stdin: Union[IO[bytes], int] = subprocess.DEVNULL,
) -> int:
    """Start a child in a session of its own; its pid. `Signals` reaps it, not the Popen. Raises StepProblem."""
    if not cwd.is_dir():
        raise StepProblem("the folder to run in is not there: {}".format(cwd))
    try:
        child = subprocess.Popen(
            argv, cwd=str(cwd), env=environ, stdin=stdin, stdout=out, stderr=err, start_new_session=True
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in an argument
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise StepProblem("{} could not be started: {}".format(argv[0], why)) from error
    run.signals.expect(child.pid)
    child.returncode = 0  # or Popen would ask for the exit code itself
    return child.pid
