"""What a supervisor that was killed has not read any more of its training's log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterable, Iterator, List, Tuple

from .files import Json
from .follow import Follower
from .metrics import Parser


def missed_records(run_dir: Path, stage: str, attempt: int) -> List[Json]:
    """The records of workerlog.0 of an attempt that metrics.jsonl does not have."""
    log = run_dir / "log" / "{}-{}".format(stage, attempt) / "workerlog.0"
    try:
        last_iter, after_it = _last_told(_told(run_dir / "metrics.jsonl", attempt))
        return list(_behind(_parsed(Follower(log).rest()), last_iter, after_it))  # the log may have been rotated
    except OSError:
        return []


def _told(path: Path, attempt: int) -> Iterator[Json]:
    if not path.exists():
        return
    with open(str(path), "rb") as handle:
        for line in handle:
            try:
                record = json.loads(line.decode("utf-8", "replace"))
            except ValueError:  # cut by a full disk
                continue
            if isinstance(record, dict) and record.get("attempt") == attempt:
                yield record


def _last_told(records: Iterable[Json]) -> Tuple[int, int]:
    """The last training iteration that was told (0: none), and how many records were told after it."""
    last_iter, after_it = 0, 0
    for record in records:
        if record.get("kind") == "train" and isinstance(record.get("iter"), int):
            last_iter, after_it = record["iter"], 0
        else:
            after_it += 1
    return last_iter, after_it


def _parsed(lines: Iterable[str]) -> Iterator[Json]:
    parser = Parser()
    for line in lines:
        yield from parser.feed(line)


def _behind(records: Iterable[Json], last_iter: int, after_it: int) -> Iterator[Json]:
    """Those behind the training line of `last_iter` and `after_it` more; from the first on where nothing was told."""
    reached = last_iter == 0
    skip = after_it
    for record in records:
        if not reached:
            reached = record["kind"] == "train" and record["iter"] == last_iter
        elif skip:
            skip -= 1
        else:
            yield record
