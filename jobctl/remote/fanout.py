"""One question to many hosts at the same time. Nobody waits for a host that is slow or dead: answers come as they are
there, and one that does not come is an error among them.

    for outcome in ask_each(hosts, cards_of):           as they come
        if outcome.error: ...
    for outcome in in_order(ask_each(hosts, cards_of)): all of them, in the order of the hosts
    for batch in in_batches(hosts, cards_of):           for a table: those that answer readily, then the stragglers
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from jobctl.errors import JobctlError

AT_ONCE = 64
"""Hosts that are talked to at the same time. Fewer would let some dead ones, each a connect timeout long, hold up the
others. How many may knock at ONE door at a time is bounded where that is done: `remote/ssh/connect.py`."""
QUIET_S = 1.5
"""After so long without an answer those that are there make a batch."""

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What came of the question to one item: `error`, or what `value` gives."""

    index: int
    item: Item
    answer: Value | None = None
    error: JobctlError | None = None

    @property
    def value(self) -> Value:
        """What was answered. Raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value]  # None only where Value allows it


def ask_each(
    items: Sequence[Item], question: Callable[[Item], Value], *, at_once: int = AT_ONCE
) -> Iterator[Outcome[Item, Value]]:
    """Outcomes as they come, from at most `at_once` questions at a time, which begin with the first `next`.

    A JobctlError of a question is its outcome; anything else is raised here. Who stops to iterate leaves what has not
    begun unasked.
    """
    with _Questions(items, question, at_once) as questions:
        for _ in items:
            yield questions.next()


def in_batches(
    items: Sequence[Item], question: Callable[[Item], Value], *, at_once: int = AT_ONCE, quiet_s: float | None = QUIET_S
) -> Iterator[list[Outcome[Item, Value]]]:
    """As `ask_each`, in lists, each in the order of the items: first those that came before it was quiet for `quiet_s`
    (which may be none; None: all), then the others as they come.

    Where answers take long, as over a slow line, the others are waited for as long again.
    """
    with _Questions(items, question, at_once) as questions:
        left = len(items)
        first, began = True, time.monotonic()
        while left:
            batch: list[Outcome[Item, Value]] = [] if first else [questions.next()]
            patience_s = quiet_s if first else 0.0
            with suppress(queue.Empty):
                while len(batch) < left:
                    batch.append(questions.next(patience_s))
                    if first and quiet_s is not None:
                        patience_s = max(quiet_s, time.monotonic() - began)
            first = False
            left -= len(batch)
            yield in_order(batch)


def in_order(outcomes: Iterable[Outcome[Item, Value]]) -> list[Outcome[Item, Value]]:
    """All outcomes, in the order of the items."""
    return sorted(outcomes, key=lambda outcome: outcome.index)


class _Questions(Generic[Item, Value]):
    """Asks in daemon threads, not in an executor: Ctrl-C must not wait for a host that is silent."""

    def __init__(self, items: Sequence[Item], question: Callable[[Item], Value], at_once: int) -> None:
        self._todo: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
        self._come: queue.SimpleQueue[Outcome[Item, Value] | BaseException] = queue.SimpleQueue()
        self._question = question
        for numbered in enumerate(items):
            self._todo.put(numbered)
        self._threads = min(at_once, len(items))

    def __enter__(self) -> _Questions[Item, Value]:
        for _ in range(self._threads):
            # With the asker's context: channels that it keeps open serve its questions too.
            run = partial(contextvars.copy_context().run, self._work)
            threading.Thread(target=run, daemon=True, name="jobctl-ask").start()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(queue.Empty):
            while True:
                self._todo.get_nowait()

    def next(self, timeout_s: float | None = None) -> Outcome[Item, Value]:
        """The next outcome. Raises queue.Empty after `timeout_s`, and what a question should not have raised."""
        outcome = self._come.get(timeout=timeout_s)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _work(self) -> None:
        with suppress(queue.Empty):
            while True:
                index, item = self._todo.get_nowait()
                try:
                    self._come.put(Outcome(index, item, self._question(item)))
                except JobctlError as error:
                    self._come.put(Outcome(index, item, error=error))
                except BaseException as error:
                    self._come.put(error)
