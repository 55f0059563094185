"""Many hosts at the same time: answers as they come, errors among them, a bound, and nobody waits for a slow one."""

from __future__ import annotations

import threading

import pytest

from jobctl.errors import ConnectError
from jobctl.remote.fanout import ask_each, in_batches, in_order

WAIT_S = 60.0
"""For what comes at once; how long a broken implementation hangs before the test fails."""


def test_the_answers_stand_in_the_order_of_the_hosts_when_that_is_wanted() -> None:
    first_may_answer = threading.Event()

    def question(host: str) -> str:
        if host == "a":
            assert first_may_answer.wait(WAIT_S)
        else:
            first_may_answer.set()
        return host.upper()

    assert [outcome.value for outcome in in_order(ask_each(["a", "b"], question))] == ["A", "B"]


def test_a_host_that_is_silent_holds_up_the_answer_of_no_other() -> None:
    released = threading.Event()

    def question(host: str) -> str:
        if host == "dead":
            assert released.wait(WAIT_S)
        return host

    outcomes = ask_each(["dead", *"abc"], question)
    assert {next(outcomes).value for _ in range(3)} == set("abc")
    released.set()
    assert [outcome.value for outcome in outcomes] == ["dead"]


def test_an_error_is_an_answer_and_hides_no_other() -> None:
    def question(host: str) -> str:
        if host == "b":
            raise ConnectError("no way", where=host)
        return host

    a, b, c = in_order(ask_each(["a", "b", "c"], question))
    assert (a.value, c.value) == ("a", "c")
    assert isinstance(b.error, ConnectError)
    with pytest.raises(ConnectError):
        _ = b.value


def test_a_bug_in_the_question_is_raised_and_is_no_host_s_fault() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ask_each([0], lambda number: 1 // number))


def test_no_more_questions_than_the_bound_are_asked_at_a_time() -> None:
    lock, together = threading.Lock(), threading.Barrier(4)
    counts = {"now": 0, "most": 0}

    def question(number: int) -> int:
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts.values())
        together.wait(WAIT_S)  # four at a time, or nobody goes on
        with lock:
            counts["now"] -= 1
        return number

    assert [outcome.value for outcome in in_order(ask_each(range(16), question, at_once=4))] == list(range(16))
    assert counts["most"] <= 4


def test_who_stops_to_listen_leaves_the_rest_unasked() -> None:
    asked: list[int] = []
    go_on = threading.Event()

    def question(number: int) -> int:
        asked.append(number)
        if number:
            assert go_on.wait(WAIT_S)
        return number

    outcomes = ask_each(range(50), question, at_once=1)
    assert next(outcomes).value == 0
    outcomes.close()  # type: ignore[attr-defined]  # a generator
    go_on.set()
    assert len(asked) <= 2


def test_those_that_answer_readily_come_together_and_a_straggler_afterwards() -> None:
    released = threading.Event()

    def question(host: str) -> str:
        if host == "slow":
            assert released.wait(WAIT_S)
        return host

    batches = in_batches(["slow", *"abc"], question, quiet_s=0.5)
    first = next(batches)
    while len(first) < 3:  # a machine under load: another part before the straggler is no mistake
        first += next(batches)
    assert [outcome.value for outcome in first] == ["a", "b", "c"]
    released.set()
    assert [[outcome.value for outcome in batch] for batch in batches] == [["slow"]]


def test_nobody_asked_is_no_answer() -> None:
    assert list(ask_each([], lambda host: host)) == []
    assert list(in_batches([], lambda host: host)) == []
