"""The job: what is to be run, rendered from a template and validated. Frozen; nothing in it depends on a host.

Two places that paths are relative to: the code tree (`cwd`, `link`, `pythonpath`) and the run directory
(`must_leave`, `artifacts`). `code.path` and `data.path` are on the laptop and stay as they were written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from jobctl.spec.download import Download, check_no_credentials
from jobctl.spec.endurance import Checkpoints, Retry
from jobctl.spec.fields import (
    Argument,
    EnvName,
    Filled,
    HostPath,
    Label,
    Misfit,
    Name,
    Part,
    PathBelow,
    Places,
    Regex,
    RelativePath,
    one_of,
)
from jobctl.spec.metric_pattern import MetricPattern
from jobctl.spec.owned_env import check_not_owned

BUILTIN_STEPS = ("code", "environment")
"""What may follow `@host` in a step's argv."""

Strictly = Strict()
Env = dict[Annotated[EnvName, AfterValidator(check_not_owned)], Argument]


def _check_unique(values: Iterable[str], what: str, at: str) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise Misfit(f"{what} {twice[0]!r} stands twice", at=(at,))


class Code(Part):
    """Where the code comes from: a git repository, or a working tree on the laptop."""

    model_config = one_of("git", "path")

    git: Annotated[Filled, AfterValidator(check_no_credentials)] | None = Field(
        None, description="URL of a git repository, or the path of one on the laptop (fetch: laptop) or host."
    )
    ref: Filled | None = Field(None, description="Branch, tag or commit. Default: the repository's own branch.")
    fetch: Literal["host", "laptop"] = Field(
        "host", description="Who clones: the host itself, or the laptop, which then sends the files."
    )
    path: Filled | None = Field(
        None, description="A folder on the laptop, uncommitted work included. Relative to the config file."
    )
    exclude: tuple[Filled, ...] = Field((), description="Git-style patterns of files that are not sent.")

    @model_validator(mode="after")
    def _check(self) -> Code:
        if (self.git is None) == (self.path is None):
            hint = "--set 'code={path: ...}' replaces the whole value, --set code.path=... only adds to it"
            raise Misfit("exactly one of 'git' and 'path' must be given", hint=hint)
        for key in ("ref", "fetch"):
            if self.path is not None and key in self.model_fields_set:
                raise Misfit(f"'{key}' goes with 'git', not with 'path'", at=(key,))
        if self.git is not None and self.fetch == "host" and self.exclude:
            raise Misfit("'exclude' does not go with 'fetch: host'", at=("exclude",), hint="use 'fetch: laptop'")
        for key, value in (("git", self.git), ("ref", self.ref)):
            if value is not None and value.startswith("-"):
                raise Misfit("may not begin with '-': git would take it for an option", at=(key,))
        return self


class Data(Part):
    """A dataset, and where the stages find it."""

    model_config = one_of("path", "on_host")

    name: Label = Field(description="Name of the dataset; its folder in the host's dataset store.")
    path: Places | None = Field(
        None,
        description="A folder on the laptop, or zip archives that are sent unpacked; sent once. "
        "Relative to the config file.",
    )
    unpack: Annotated[bool, Strictly] | None = Field(
        None, description="Whether zip archives in a folder are unpacked. Default: where it holds no folders."
    )
    on_host: HostPath | None = Field(None, description="A folder that is on the host already.")
    link: PathBelow = Field(description="Where the stages find it, relative to the code tree.")

    @model_validator(mode="after")
    def _check(self) -> Data:
        if (self.path is None) == (self.on_host is None):
            hint = "--set 'data={path: ...}' replaces the whole value, --set data.path=... only adds to it"
            raise Misfit("exactly one of 'path' and 'on_host' must be given", hint=hint)
        if self.unpack is not None and self.on_host is not None:
            raise Misfit("'unpack' goes with 'path', not with 'on_host'", at=("unpack",))
        if self.unpack is False and self.path is not None and not isinstance(self.path, str):
            raise Misfit("a list of archives is always unpacked", at=("unpack",), hint="give the folder they are in")
        if self.link == "output" or self.link.startswith("output/"):
            raise Misfit("'output' in the code tree is the run's own output folder", at=("link",))
        return self


def _check_pythonpath(path: str) -> str:
    if ":" in path:
        raise Misfit("may not contain ':', which separates the entries of PYTHONPATH")
    return path


class Environment(Part):
    """The Python environment of the stages: a venv on the host, built once per content and reused."""

    python: Filled = Field("python3", description="The interpreter on the host that makes the venv.")
    install: tuple[
        Annotated[tuple[Annotated[Argument, AfterValidator(check_no_credentials)], ...], Field(min_length=1)], ...
    ] = Field((), description="Arguments of 'pip install', one list for each call; run in the code tree.")
    pythonpath: tuple[Annotated[RelativePath, AfterValidator(_check_pythonpath)], ...] = Field(
        (), description="Folders of the code tree that are appended to PYTHONPATH."
    )
    source: tuple[HostPath, ...] = Field((), description="Files on the host that bash sources before anything runs.")
    verify: tuple[Argument, ...] = Field((), description="A command that must exit 0 before the venv is accepted.")


class Step(Part):
    """One program of a stage."""

    argv: tuple[Argument, ...] = Field(
        min_length=1, description="The program and its arguments; no shell reads them. '@host' begins a builtin step."
    )
    distributed: Annotated[bool, Strictly] = Field(
        False, description="Run it as 'cards' processes under paddle.distributed.launch; argv begins with the script."
    )
    cwd: RelativePath = Field(".", description="Working directory, relative to the code tree.")
    env: Env = Field(default_factory=dict, description="Environment variables of this step.")

    @model_validator(mode="after")
    def _check(self) -> Step:
        if not self.argv[0]:
            raise Misfit("the program's name is empty", at=("argv", 0))
        if self.argv[0] == "@host":
            if len(self.argv) != 2 or self.argv[1] not in BUILTIN_STEPS:
                known = " or ".join(f'["@host", "{name}"]' for name in BUILTIN_STEPS)
                raise Misfit("no such builtin step", at=("argv",), hint=f"known: {known}")
            if self.distributed:
                raise Misfit("a builtin step is not distributed", at=("distributed",))
        elif self.argv[0].startswith("@"):
            raise Misfit("'@' begins a builtin step, and only '@host' is one", at=("argv", 0))
        return self


class Stage(Part):
    """A named part of the job. Its success is what it leaves: exit codes of trainers lie."""

    name: Name = Field(description="Name of the stage; its log is logs/NAME.log.")
    steps: tuple[Step, ...] = Field(min_length=1, description="Programs, run in order until one fails.")
    must_leave: tuple[PathBelow, ...] = Field(
        (), description="Globs relative to the run directory; each must match something that is not empty."
    )
    fatal_lines: tuple[Regex, ...] = Field((), description="Regular expressions; a line that matches fails the stage.")
    started_when: Regex | None = Field(
        None, description="Regular expression; until a line matches, the stage counts as starting."
    )
    finished_when: Regex | None = Field(
        None,
        description="Regular expression; once a line of the last step matches, its exit code counts no more: "
        "what it must leave does.",
    )
    start_timeout_s: Annotated[float, Strictly] | None = Field(
        None, gt=0, description="Seconds a start may take before it counts as hung."
    )
    start_attempts: Annotated[int, Strictly] = Field(
        1, ge=1, le=100, description="How often a stage that dies or hangs before it has started is tried."
    )
    hang_timeout_s: Annotated[float, Strictly] | None = Field(
        None, gt=0, description="Seconds without a new line in any log, while its processes live, that count as hung."
    )
    nan_limit: Annotated[int, Strictly] | None = Field(
        None, ge=1, description="So many training lines in a row whose loss is not finite fail the stage."
    )
    checkpoints: Checkpoints | None = Field(None, description="Its checkpoints, and how it goes on from one.")
    metrics: tuple[MetricPattern, ...] = Field(
        (),
        description="How to read the metrics of another trainer out of its lines. Default: as PaddleSeg prints them.",
    )

    @model_validator(mode="after")
    def _check(self) -> Stage:
        if self.started_when is None:
            for key in ("start_timeout_s", "start_attempts"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise Misfit(f"'{key}' needs 'started_when'", at=(key,))
        if self.finished_when is not None and not self.must_leave:
            raise Misfit("'finished_when' needs 'must_leave'", at=("finished_when",))
        return self


class Artifact(Part):
    """Something that the user wants back."""

    name: Label = Field(description="Name of the artifact, for 'pull --only'.")
    path: PathBelow = Field(description="Glob relative to the run directory.")


class Job(Part):
    """A whole job."""

    version: Literal[1] = Field(1, description="Version of this format.")
    name: Name = Field(description="Name of the job; the run's id begins with it.")
    device: Literal["npu", "cpu"] = Field(description="What it trains on: Ascend cards, or the host's processors.")
    cards: Annotated[int, Strictly] = Field(
        1, ge=1, le=4096, description="Processes under the launcher; with 'npu' also the cards that are held."
    )
    image: dict[Literal["x86_64", "aarch64"], Filled] = Field(
        default_factory=dict, description="Container image for each architecture (hosts with 'runtime: docker')."
    )
    code: Code = Field(description="Where the code comes from.")
    data: tuple[Data, ...] = Field((), description="Datasets.")
    environment: Environment = Field(default_factory=Environment, description="The Python environment.")
    env: Env = Field(default_factory=dict, description="Environment variables of every stage.")
    secrets: tuple[Annotated[EnvName, AfterValidator(check_not_owned)], ...] = Field(
        (), description="Names of variables of the laptop's environment that the stages get; never their values."
    )
    retry: Retry | None = Field(None, description="When it goes on by itself. Default: never.")
    on_boot: Literal["resume"] | None = Field(
        None, description="'resume': the host itself goes on with it after a restart, where it offers a way to."
    )
    walltime_s: Annotated[float, Strictly] | None = Field(
        None, gt=0, description="Seconds after which it is ended, counted from when it has its cards; can be resumed."
    )
    stages: tuple[Stage, ...] = Field(min_length=1, description="Stages, run in order.")
    downloads: tuple[Download, ...] = Field(
        (), description="What the stages download, for hosts without internet ('jobctl bundle')."
    )
    artifacts: tuple[Artifact, ...] = Field((), description="What 'jobctl pull' brings back.")

    @model_validator(mode="after")
    def _check(self) -> Job:
        _check_unique((stage.name for stage in self.stages), "the stage", "stages")
        _check_unique((data.name for data in self.data), "the dataset", "data")
        _check_unique((artifact.name for artifact in self.artifacts), "the artifact", "artifacts")
        _check_unique(self.secrets, "the secret", "secrets")
        _check_unique((download.url for download in self.downloads), "the address", "downloads")
        self._check_links()
        for name in self.secrets:
            if name in self.env:
                raise Misfit(f"{name} is a secret and may not have a value here", at=("env", name))
        self._check_builtin_steps()
        return self

    def _check_links(self) -> None:
        """No link inside another one: it would be made inside a dataset, which nobody may change."""
        for index, inner in enumerate(self.data):
            for other, outer in enumerate(self.data):
                if index != other and f"{inner.link}/".startswith(f"{outer.link}/"):
                    raise Misfit(f"lies in {outer.link!r}, the link of another dataset", at=("data", index, "link"))

    def _check_builtin_steps(self) -> None:
        """What is described but never done is a mistake of the template."""
        builtin = {step.argv[1] for stage in self.stages for step in stage.steps if step.argv[0] == "@host"}
        if self.code.git is not None and self.code.fetch == "host" and "code" not in builtin:
            raise Misfit('no stage has the step ["@host", "code"], which clones it', at=("code",))
        if self.environment.install and "environment" not in builtin:
            raise Misfit(
                'no stage has the step ["@host", "environment"], which installs it', at=("environment", "install")
            )
