"""The small job of `jobctl doctor --deep`: the environment of a job, and in it the framework's own check. Pure."""

from __future__ import annotations

from importlib import resources

from jobctl.spec.job import Artifact, Job, Stage, Step

HELPER = "jobctl_deep_check.py"
"""Among the template's helper files, which the job's own `verify` may need."""
RESULTS = "output/deep_check"
_START_S, _WALLTIME_S = 300.0, 3600.0
_BEGINS = "deep check: .* begins"


def make_deep_job(job: Job) -> Job:
    """The same code, environment, device and number of cards; none of the data; stages of its own."""
    builtin = [_only_builtin(stage) for stage in job.stages]
    script = f"../template/{HELPER}"
    one = Step(argv=("python", script, "one", job.device))
    ranks = Step(argv=(script, "ranks", job.device), distributed=True)
    stages = [
        *(stage for stage in builtin if stage is not None),
        Stage(name="one-card", steps=(one,), must_leave=(f"{RESULTS}/one.json",)),
        Stage(
            name="all-cards",
            steps=(ranks,),
            must_leave=(f"{RESULTS}/rank-0.json",),
            started_when=_BEGINS,
            start_timeout_s=_START_S,
            start_attempts=3,
            hang_timeout_s=_START_S,
        ),
    ]
    changed = {
        "name": f"doctor-{job.name}"[:40].rstrip("-"),
        "data": (),
        "stages": tuple(stages),
        "artifacts": (Artifact(name="deep_check", path=f"{RESULTS}/*.json"),),
        "retry": None,
        "on_boot": None,
        "walltime_s": _WALLTIME_S,
    }
    return job.model_copy(update=changed)


def _only_builtin(stage: Stage) -> Stage | None:
    """The stage with what prepares code and environment, under its own name; None where it does neither."""
    steps = tuple(step for step in stage.steps if step.argv[0] == "@host")
    return Stage(name=stage.name, steps=steps) if steps else None


def helper() -> bytes:
    """The file HELPER."""
    return (resources.files("jobctl.plan") / "deep_check" / "deep_check.py").read_bytes()
