"""From a run's name to the open screen."""

from __future__ import annotations

from jobctl import api
from jobctl.watch.app import AtEnd, WatchApp, Watched
from jobctl.watch.feed import Feed, known_before


def make_app(run: str | None, listener: api.Listener, at_end: AtEnd = lambda title, text: None) -> WatchApp:
    """The screen for a run, connected where that is possible; `run` of it goes on until the user leaves.

    `at_end`: is told, in a title and a text, that the run is over.

    Raises RunNotFound; of HostErrors those that only the user can mend (a host key, a login).
    """
    record = api.known_run(run)
    first = _prepare(record.run_id)
    listener.note(f"connecting to {record.host_name}")
    first[1].open()  # here, where a password can still be asked for
    return WatchApp(record.run_id, lambda run_id: _begin(run_id, first), at_end=at_end)


def _prepare(run_id: str) -> tuple[Feed, api.RunWatch]:
    feed = Feed(known_before(run_id))
    return feed, api.RunWatch(api.known_run(run_id), feed)


def _begin(run_id: str, first: tuple[Feed, api.RunWatch]) -> tuple[Feed, Watched]:
    """The watch that is connected already, for its run and once; else one of its own."""
    feed, found = first if first[1].record.run_id == run_id and not first[1].started else _prepare(run_id)
    found.start()
    return feed, found
