"""What is known of runs, cards and actions, and threads that keep it fresh while a page is open.

Each host has threads of its own and one channel that they share, so one that is silent holds up nobody: its runs stay
as they were seen last. With the last page the threads end and the channels are closed.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobctl import api
from jobctl.api.runs import RunView
from jobctl.errors import JobctlError
from jobctl.ui import rows
from jobctl.ui.actions import Actions

_LOOK_S = 2.0
_CARDS_S = 10.0  # npu-smi takes its time
_GRACE_S = 5.0  # a page that is loaded again finds the channels still open

Listener = Callable[[], None]


class Hub:
    """`listen` while a page is open; its callback comes, from any thread, when `as_data` has changed."""

    def __init__(self, inventory: str | None, folder: Path) -> None:
        self.channels = api.SharedChannels()
        self.actions = Actions(self.channels, folder, self._tell)
        self._inventory = inventory
        self._lock = threading.Lock()
        self._views: dict[str, RunView] = {}
        self._cards: dict[str, dict[str, Any]] = {}
        self._listeners: set[Listener] = set()
        self._watch: _Watch | None = None

    def listen(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.add(listener)
            if self._watch is None:
                self._watch = _Watch(self, self._inventory)

    def leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)
            last = not self._listeners
        if last:
            timer = threading.Timer(_GRACE_S, self._rest)
            timer.daemon = True
            timer.start()

    def _rest(self) -> None:
        with self._lock:
            if self._listeners or self._watch is None:
                return
            watch, self._watch = self._watch, None
        watch.stopped.set()
        self.channels.close_idle()

    def close(self) -> None:
        with self._lock:
            if self._watch:
                self._watch.stopped.set()
        self.channels.close()

    def view(self, run_id: str) -> RunView:
        """As it is known now; no host is asked. Raises RunNotFound."""
        with self._lock:
            found = self._views.get(run_id)
        return found or _as_known(api.known_run(run_id))

    def as_data(self) -> dict[str, Any]:
        with self._lock:
            views = sorted(
                self._views.values(), key=lambda view: (view.record.submitted_at, view.record.run_id), reverse=True
            )
            cards = {name: dict(found) for name, found in self._cards.items()}
        return {"runs": list(map(rows.run_row, views)), "hosts": cards, "actions": self.actions.as_data()}

    def put_runs(self, views: list[RunView], known: set[str] | None = None) -> None:
        """`known`: all that there are; others are gone."""
        with self._lock:
            self._views |= {view.record.run_id: view for view in views}
            if known is not None:
                self._views = {run_id: view for run_id, view in self._views.items() if run_id in known}
        self._tell()

    def put_cards(self, name: str, **found: Any) -> None:
        """What was known before stays where a host is silent."""
        with self._lock:
            self._cards[name] = {**self._cards.get(name, {}), **found}
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


def _as_known(record: Any) -> RunView:
    return RunView(record, record.status or {"state": "STAGING", "reason": "submit has not finished"})


class _Watch:
    """The threads of one time during which pages are open."""

    def __init__(self, hub: Hub, inventory: str | None) -> None:
        self.stopped = threading.Event()
        self._hub = hub
        self._inventory = inventory
        self._hosts: set[str] = set()
        self._start(self._look_around)
        if inventory is not None:
            self._start(self._find_hosts)

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=self._within, args=(work, *args), daemon=True, name="jobctl-ui-watch").start()

    def _within(self, work: Callable[..., None], *args: Any) -> None:
        with self._hub.channels.used():
            work(*args)

    def _look_around(self) -> None:
        """The runs that this laptop knows, also those that are submitted meanwhile."""
        while not self.stopped.is_set():
            known = api.known_runs()
            shown = {row["run_id"] for row in self._hub.as_data()["runs"]}
            fresh = [_as_known(record) for record in known if record.run_id not in shown or _is_final(record)]
            listed = {record.run_id for record in known}
            self._hub.put_runs(fresh, listed | {run_id for run_id in shown - listed if _is_there(run_id)})
            for key in _by_host(known):
                if key not in self._hosts:
                    self._hosts.add(key)
                    self._start(self._ask_runs, key)
            self.stopped.wait(_LOOK_S)

    def _ask_runs(self, key: str) -> None:
        while not self.stopped.is_set():
            found = _by_host(api.known_runs()).get(key, [])
            if any(not _is_final(record) for record in found):
                self._hub.put_runs(api.freshen(found))
            self.stopped.wait(_LOOK_S)

    def _find_hosts(self) -> None:
        with suppress(
            JobctlError
        ):  # it was read when the command began; whoever breaks it meanwhile sees the old hosts
            for name in api.host_names(self._inventory or ""):
                self._hub.put_cards(name)
                self._start(self._ask_cards, name)

    def _ask_cards(self, name: str) -> None:
        while not self.stopped.is_set():
            try:
                found = api.cards(self._inventory or "", [name]).as_data()
                error = found["errors"].get(name)
                told = found["hosts"].get(name)
                self._hub.put_cards(
                    name, **({"told": told, "seen_at": time.time()} if told else {}), error=error and error["what"]
                )
            except JobctlError as failure:
                self._hub.put_cards(name, error=failure.what)
            self.stopped.wait(_CARDS_S)


def _is_final(record: Any) -> bool:
    return record.status is not None and record.status.get("state") in rows.FINAL


def _is_there(run_id: str) -> bool:
    try:
        return bool(api.known_run(run_id).run_id == run_id)
    except JobctlError:
        return False


def _by_host(known: list[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for record in known:
        groups[repr(sorted(record.host.items()))].append(record)
    return groups
