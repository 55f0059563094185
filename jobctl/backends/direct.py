"""A bare host: our supervisor, started by the host program, with no scheduler in between.

Whether the run is there, and how it ended, the run directory says itself (`supervisor.lock`, `status.json`), so nothing
needs to be polled or cancelled through another program.
"""

from __future__ import annotations


def submit_argv(python: str, program: str, run_dir: str) -> list[str]:
    """What starts the run. All three are absolute paths on the host."""
    return [python, program, "supervise", run_dir]
