"""Whole commands, timed in turns, so that whatever the machine does meanwhile falls on all of them alike."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Seconds = dict[str, list[float]]
JOBCTL = str(Path(sys.executable).with_name("jobctl"))


def run(argv: list[str], **environment: str) -> str:
    """Runs to the end and returns what stands on standard output. Raises with all that was said when it fails."""
    variables = {**os.environ, **environment}
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=variables)
    if done.returncode != 0:
        raise RuntimeError(f"{argv} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def in_turns(
    rivals: Mapping[str, Callable[[], object]],
    turns: int,
    *,
    between: Callable[[str], object] = lambda _: None,
    warm_up: bool = True,
) -> Seconds:
    """Wall time of each rival once a turn, in an order that rotates, after one untimed turn to warm caches.

    `between` is called with the rival's name after each of its turns, untimed.
    """
    names = list(rivals)
    seconds: Seconds = {name: [] for name in names}
    for turn in range(-1 if warm_up else 0, turns):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            start = time.perf_counter()
            rivals[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
            between(name)
    return seconds


def peak_mb() -> float:
    """The largest resident size of any process that has been run and waited for so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def median_ms(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000
