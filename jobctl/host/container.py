"""The containers of one run, as its supervisor starts them: the same image and devices for all, one for each step.

The supervisor stays on the host: it holds the cards, writes the logs and ends what is to be ended. The run directory
and the stores have the same path inside, so that venvs, links and paths in logs are right on both sides.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import IO, Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import ascend_parts, cards, engine, surroundings
from .container_argv import ENVIRON_SCRIPT, NOT_IN_IMAGE, PROBE_SCRIPT, Box, environ_bytes, run_argv
from .container_image import provide_image
from .container_parts import groups_of, mounts_of, of_the_login
from .engine import EngineProblem, Facts, Image
from .files import Json
from .names import IMAGE_VARIABLE
from .program import argv_in_image
from .step import Run, StepProblem, run_aside, spawn

_DAEMON_PATIENCE_S = 60.0


class Ready(NamedTuple):
    """What is known once the engine and the image are there."""

    facts: Facts
    image: Image
    numbers: List[int]  # N of /dev/davinciN


class Container:
    """`spec`: the part `container` of job.json."""

    def __init__(self, spec: Json) -> None:
        self._spec = spec
        self._ready: Optional[Ready] = None
        self._bases: Dict[Tuple[str, ...], Dict[str, str]] = {}

    def prepare(self, run: Run, log: IO[bytes]) -> None:
        """Have the image here; a pull tells its progress in `log`. Raises StepProblem, Stopped."""
        if self._ready is not None:
            return
        try:
            facts = self._await_engine(run)
            image = provide_image(run, self._spec, log)
            numbers = ascend_parts.node_numbers(run.devices, cards.device_files()) if run.cards else []
        except EngineProblem as error:
            raise StepProblem("{}{}".format(error, "; " + error.hint if error.hint else "")) from error
        except ascend_parts.NoDevice as error:
            raise StepProblem(str(error)) from error
        (run.run_dir / "home").mkdir(mode=0o700, exist_ok=True)
        self._ready = Ready(facts, image, numbers)

    def _await_engine(self, run: Run) -> Facts:
        """A run that goes on after a start of the host may be here before the engine's daemon."""
        begun = time.monotonic()
        while True:
            try:
                return engine.ask_facts(self._spec["engine"])
            except engine.NotAnswering:
                if time.monotonic() - begun > _DAEMON_PATIENCE_S:
                    raise
                run.signals.pause(1.0)
                run.journal.beat()

    def base_environ(self, run: Run, sources: Sequence[str]) -> Dict[str, str]:
        """The image's environment after sourcing `sources`, with what of the login a container needs.

        Raises StepProblem, also where no container can be made as this run needs it, and Stopped.
        """
        key = tuple(sources)
        if key not in self._bases:
            self._bases[key] = dict(surroundings.scrub(self._probe(run, sources)), **of_the_login(run.run_dir))
        return dict(self._bases[key])

    def _probe(self, run: Run, sources: Sequence[str]) -> Dict[str, str]:
        paths = [os.path.join(str(run.run_dir / "code"), os.path.expanduser(name)) for name in sources]
        argv = run_argv(self._box(run, "probe"), str(run.run_dir), PROBE_SCRIPT, paths)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            code = run_aside(run, argv, engine.client_environ(), out, err)
            said, complaint = _content(out), _content(err)
        with open(str(run.run_dir / "supervisor.log"), "ab") as noise:
            noise.write(complaint)
        if code == NOT_IN_IMAGE:
            raise StepProblem("the file to source is not in the image: " + os.fsdecode(said))
        found = surroundings.parse_environ(said)
        if code != 0 or not found:
            words = engine.last_line(complaint.decode("utf-8", "replace"))
            raise StepProblem("no container could be made of {}: {}".format(self._name, words or "it says nothing"))
        return found

    def visible(self, run: Run) -> List[int]:
        """The cards as the runtime in the container numbers them.

        It counts what it sees from 0; with `privileged` it sees all cards of the host. (Told of CANN by users:
        vllm-ascend pull request 16256, sglang pull request 14266; not seen on an NPU.)
        """
        return list(run.devices) if self._spec["privileged"] else list(range(len(run.devices)))

    def start(self, run: Run, step: Json, environ: Dict[str, str], log: IO[bytes]) -> int:
        """Start a step in a container of its own; the pid of the engine's client. Raises StepProblem."""
        argv, workdir = list(step["argv"]), os.path.normpath(str(run.run_dir / "code" / (step.get("cwd") or ".")))
        if argv[0] == "@host":
            python = (run.job.get("environment") or {}).get("python") or "python3"
            argv, workdir = argv_in_image(python, argv[1], str(run.run_dir)), str(run.run_dir)
        elif not os.path.isdir(workdir):
            raise StepProblem("the folder to run in is not there: {}".format(workdir))
        name = "{}-{}".format(environ["JOBCTL_STAGE"], environ["JOBCTL_ATTEMPT"])
        whole = run_argv(self._box(run, name), workdir, ENVIRON_SCRIPT, argv)
        run.journal.event("container_started", argv=whole)
        with tempfile.TemporaryFile() as told:  # without a name: secrets are in it
            told.write(environ_bytes(dict(environ, **{IMAGE_VARIABLE: self._checked.image.id})))
            told.seek(0)
            return spawn(run, whole, run.run_dir, engine.client_environ(), log, stdin=told)

    @property
    def _checked(self) -> Ready:
        assert self._ready is not None, "prepare comes first"
        return self._ready

    @property
    def _name(self) -> str:
        return engine.image_for_us(self._spec["images"])

    def _box(self, run: Run, what: str) -> Box:
        spec, ready = self._spec, self._checked
        own_runtime = "ascend" if run.cards and "ascend" in ready.facts.runtimes else None
        bare_nodes = bool(run.cards) and own_runtime is None
        nodes = ascend_parts.nodes_of(ready.numbers) if bare_nodes else []
        keep_id = spec["engine"] == "podman" and ready.facts.rootless
        env = {"HOME": str(run.run_dir / "home")}
        if run.cards:
            env["ASCEND_RT_VISIBLE_DEVICES"] = ",".join(map(str, self.visible(run)))
        if own_runtime:
            env["ASCEND_VISIBLE_DEVICES"] = ",".join(map(str, ready.numbers))
        return Box(
            engine=spec["engine"],
            name="jobctl-{}-{}-{}".format(run.run_dir.name, what, os.urandom(3).hex()),
            run_id=run.run_dir.name,
            run_dir=str(run.run_dir),
            image=ready.image.id,
            user="0:0" if ready.facts.rootless and not keep_id else "{}:{}".format(os.getuid(), os.getgid()),
            shm_size=spec["shm_size"],
            groups=["keep-groups"] if keep_id else groups_of(nodes),
            userns="keep-id" if keep_id else "host" if ready.facts.remapped else None,
            runtime=own_runtime,
            privileged=bool(spec["privileged"]),
            devices=[] if spec["privileged"] else nodes,
            mounts=mounts_of(run, spec) + (ascend_parts.mounts() if bare_nodes else []),
            env=env,
            extra_args=spec["extra_args"],
        )


def _content(handle: IO[bytes]) -> bytes:
    handle.seek(0)
    return handle.read()
