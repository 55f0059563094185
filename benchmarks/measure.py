"""Whole commands, timed in turns, so that whatever the machine does meanwhile falls on all of them alike."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of wall time, one for each turn."""

    seconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        return statistics.median(self.seconds) * 1000


def run(argv: list[str], **environment: str) -> str:
    """Runs to the end and returns what stands on standard output. Raises with all that was said when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment or None)
    if done.returncode != 0:
        raise RuntimeError(f"{argv} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def in_turns(rivals: Mapping[str, Callable[[], object]], turns: int) -> dict[str, Timing]:
    """Each rival once a turn, in an order that rotates, after one untimed turn to warm caches."""
    names = list(rivals)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-1, turns):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            start = time.perf_counter()
            rivals[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}
