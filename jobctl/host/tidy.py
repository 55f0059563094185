"""`gc`: what below the work_dir nobody needs any more; shown, and removed when that is asked for.

Nothing is removed that a run which is not over needs, or that holds results which were not pulled. What runs share
(objects, trees, datasets, environments, mirrors, caches) is left alone for a day at least: a submit may be about to use
it. Nothing outside the work_dir is looked at, and no link is followed.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, NamedTuple, Set

from . import states, tidy_runs, tidy_shared, tidy_unused
from .removal import Item, StillNeeded, no_transfer
from .server import OpError, Request

_ROWS = 500  # in one reply; a frame's header has a limit
_DAY_S = 86400.0

Tell = Callable[[List[Item]], None]


def gc(request: Request, root: Path, clock: Callable[[], float] = time.time) -> Dict[str, Any]:
    """Rows {kind, name, count, size_bytes, age_s, remove, why, error} in several replies.

    Parameters: older_than_s; delete; unpulled (remove runs whose results were not pulled too); datasets (remove
    datasets that no run needs); packages (digests: environments of just these are held by a lock of the laptop's).
    Without `delete` nothing is changed. Raises OpError.
    """
    params = request.params
    older_than_s, delete = float(params["older_than_s"]), bool(params.get("delete"))
    if not older_than_s >= 0:
        raise OpError("input", "an age is not negative: %r" % older_than_s)
    for folder in ("runs", "staging"):
        if (root / folder).is_symlink():
            hint = "let `work_dir:` name the real place"
            raise OpError("input", "%s/ is a link, and nothing is removed behind a link" % folder, hint=hint)
    rows: List[Dict[str, Any]] = []

    def tell(items: List[Item]) -> None:
        for item in items:
            rows.append(_carry_out(item, delete))
            if len(rows) >= _ROWS:
                request.reply(rows=list(rows))
                rows.clear()

    # Runs first: what they alone needed is then not needed any more.
    runs = tidy_runs.survey(root, older_than_s, bool(params.get("unpulled")), clock())
    tell(runs)
    going = {item.name for item in runs if item.take_away and not delete}
    wanted = Wanted(bool(params.get("datasets")), frozenset(params.get("packages") or ()))
    _shared(root, tell, going, max(older_than_s, _DAY_S), delete, wanted, clock())
    return {"rows": rows}


class Wanted(NamedTuple):
    """Whether datasets may go too, and whose packages a lock holds."""

    datasets: bool
    packages: FrozenSet[str]


def _shared(
    root: Path, tell: Tell, going: Set[str], older_than_s: float, delete: bool, wanted: Wanted, now: float
) -> None:
    def left() -> List[tidy_runs.RunHere]:
        return [run for run in tidy_runs.runs_here(root) if "runs/" + run.name not in going]

    unknown = [run for run in left() if run.may_go_on and run.path.parent.name == "runs" and not states.is_job(run.job)]
    if unknown:
        why = "what run {} needs is not known: its job.json is damaged".format(unknown[0].name)
        return tell([Item("shared", "what runs share", 0, None, why)])
    tell(tidy_unused.survey(root, left(), older_than_s, wanted.packages, now))
    with no_transfer(root) if delete else _nobody_minds() as alone:
        # Looked at again: a submit may have come.
        tell(tidy_shared.survey_datasets(root, left(), older_than_s, wanted.datasets, alone, now))
        tell(tidy_shared.survey_trees(root, older_than_s, alone, now))
        tell(tidy_shared.survey_objects(root, older_than_s, alone, now))


@contextmanager
def _nobody_minds() -> Iterator[bool]:
    yield True


def _carry_out(item: Item, delete: bool) -> Dict[str, Any]:
    row: Dict[str, Any] = {
        "kind": item.kind,
        "name": item.name,
        "count": item.number,
        "size_bytes": item.size_bytes,
        "age_s": item.age_s,
        "remove": item.take_away is not None,
        "why": item.why,
        "error": None,
    }
    if delete and item.take_away is not None:
        try:
            item.take_away()
        except StillNeeded as error:
            row.update(remove=False, why=str(error))
        except OSError as error:
            row.update(error="{}: {}".format(error.strerror or error, error.filename or item.name))
    return row
