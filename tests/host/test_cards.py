"""Holding cards: all or none, first come first served, freed whatever happens to the holder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobctl.host import cards, control
from jobctl.host.cards import Lease, NoCards, Seen, Waiting
from jobctl.host.lease_dir import Note
from jobctl.host.npu_smi import Card, Snapshot, parse
from jobctl.host.tickets import Ticket, Wants
from tests.host.runs import Json, kill_with_keeper, make_job, python_stage, run_job, stage_run, wait_for, wait_for_end
from tests.host.smi import FakeSmi

Show = Callable[..., None]


class WouldWait(Exception):
    """Raised by a test's `wait` in place of sleeping; the message is the reason."""


def refuse(describe: Callable[[], Waiting], held: list[int]) -> None:
    raise WouldWait(describe().reason)


def eight() -> Seen:
    return Seen(list(range(8)), {card: card for card in range(8)}, None)


def acquire(root: Path, number: int, wanted: list[int] | None = None, run_id: str = "run-1", **more: bool) -> Lease:
    return cards.acquire(root, Wants(run_id, number, wanted, **more), {"run_id": run_id}, refuse, eight)


def of(found: dict[int, Note]) -> dict[int, str | None]:
    return {card: note.run_id for card, note in found.items()}


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """A fake npu-smi on PATH; call it with the cards and processes it shows from then on."""
    smi = FakeSmi(tmp_path / "smi bin")
    monkeypatch.setenv("PATH", f"{smi.folder}:{os.environ['PATH']}")
    return smi.show


def test_the_first_free_cards_are_taken_and_the_next_run_gets_the_next(weird_path: Path) -> None:
    first = acquire(weird_path, 4)
    second = acquire(weird_path, 4, run_id="run-2")
    assert (first.cards, second.cards) == ([0, 1, 2, 3], [4, 5, 6, 7])
    first.release()
    third = acquire(weird_path, 2)
    assert third.cards == [0, 1]
    for lease in (second, third):
        lease.release()


def test_a_wait_names_who_holds_what_and_nothing_is_held_meanwhile(tmp_path: Path) -> None:
    holding = acquire(tmp_path, 6)
    with pytest.raises(WouldWait, match=r"waiting for 4 cards: 0, 1, 2, 3, 4, 5 held by run-1 \(since "):
        acquire(tmp_path, 4, run_id="run-2")
    assert of(cards.holders(tmp_path, list(range(8)))) == dict.fromkeys(range(6), "run-1")
    holding.release()
    assert cards.holders(tmp_path, list(range(8))) == {}


def test_certain_cards_are_waited_for_even_when_others_are_free(tmp_path: Path) -> None:
    holding = acquire(tmp_path, 1, [5])
    with pytest.raises(WouldWait, match="waiting for card 5, 6: 5 held by run-1 "):
        acquire(tmp_path, 2, [5, 6], run_id="run-2")
    holding.release()
    lease = acquire(tmp_path, 2, [6, 5])
    assert lease.cards == [6, 5]
    lease.release()


IMPOSSIBLE: dict[str, tuple[int, list[int] | None, Seen, str]] = {
    "more than there are": (9, None, eight(), r"9 cards asked for; this host has 8 cards \(0, 1, 2"),
    "a card that is not here": (1, [8], eight(), "card 8 is asked for; this host has 8 cards"),
    "no npu-smi": (1, None, Seen([], {}, None), "there is no npu-smi, and no /dev/davinci"),
    "npu-smi fails": (
        1,
        None,
        Seen([], {}, parse("dcmi module initialize failed. ret is -8005\n")),
        r"unknown \(npu-smi says: dcmi module initialize failed. ret is -8005\)",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_waiting_cannot_bring_is_refused_at_once(tmp_path: Path, name: str) -> None:
    number, wanted, seen, message = IMPOSSIBLE[name]
    with pytest.raises(NoCards, match=message):
        cards.acquire(tmp_path, Wants("run-1", number, wanted), {"run_id": "run-1"}, refuse, lambda: seen)


def test_who_came_first_is_served_first(tmp_path: Path) -> None:
    with (
        Ticket(tmp_path, Wants("run-large", 8)),
        pytest.raises(WouldWait, match=r"waiting for 1 card, behind run-large \(8 cards\)$"),
    ):
        acquire(tmp_path, 1, run_id="run-small")
    acquire(tmp_path, 1, run_id="run-small").release()


def test_who_waits_for_other_cards_is_not_waited_for(tmp_path: Path) -> None:
    with Ticket(tmp_path, Wants("run-certain", 2, [0, 1])):
        lease = acquire(tmp_path, 2)
        assert lease.cards == [2, 3]
    lease.release()


def test_an_exclusive_run_holds_every_card_and_uses_its_own(tmp_path: Path) -> None:
    other = acquire(tmp_path, 1, [7], run_id="run-other")
    with pytest.raises(
        WouldWait, match=r"waiting for 2 cards \(exclusive: nobody else on the host\): 7 held by run-other"
    ):
        acquire(tmp_path, 2, exclusive=True)
    other.release()
    lease = acquire(tmp_path, 2, exclusive=True)
    assert lease.cards == lease.devices == [0, 1]
    assert of(cards.holders(tmp_path, list(range(8)))) == dict.fromkeys(range(8), "run-1")
    lease.release()
    assert cards.holders(tmp_path, list(range(8))) == {}


def test_cards_with_somebody_elses_process_are_left_alone(tmp_path: Path, show: Show) -> None:
    show([0, 1, 2, 3], {0: 4242, 2: 4243})
    lease = cards.acquire(tmp_path, Wants("run-1", 2), {"run_id": "run-1"}, refuse)
    assert lease.cards == [1, 3]
    lease.release()
    with pytest.raises(WouldWait, match="0 in use by process 4242, which is not of jobctl"):
        cards.acquire(tmp_path, Wants("run-1", 1, [0]), {"run_id": "run-1"}, refuse)


def test_a_card_whose_lease_somebody_has_spoilt_is_passed_over_and_waited_for_where_it_is_needed(
    tmp_path: Path,
) -> None:
    (tmp_path / "npu0.lock").symlink_to("/etc/passwd")
    lease = acquire(tmp_path, 2)
    assert lease.cards == [1, 2]
    lease.release()
    with pytest.raises(WouldWait, match=r"waiting for card 0: 0 the lease .*npu0.lock cannot be opened: "):
        acquire(tmp_path, 1, [0])


def test_a_broken_card_is_passed_over_and_told(tmp_path: Path) -> None:
    unknown = (None,) * 9
    rows = [Card(card, 0, "910B2", "Alarm" if card == 0 else "OK", *unknown) for card in (0, 1)]
    seen = Seen([0, 1], {0: 0, 1: 1}, Snapshot(None, None, rows, [], None, []))
    with pytest.raises(WouldWait, match=r"waiting for 2 cards: 0 broken \(npu-smi: Alarm\)"):
        cards.acquire(tmp_path, Wants("run-1", 2), {"run_id": "run-1"}, refuse, lambda: seen)


def test_cards_whose_processes_have_ended_are_free_whatever_npu_smi_still_shows(tmp_path: Path, show: Show) -> None:
    with subprocess.Popen(["sleep", "3600"]) as process:
        show([0], {0: process.pid})
        waited = []

        def wait(describe: Callable[[], Waiting], held: list[int]) -> None:
            waited.append(describe().reason)
            assert len(waited) == 1
            process.kill()
            process.wait()

        lease = cards.acquire(tmp_path, Wants("run-1", 1), {"run_id": "run-1"}, wait)
    assert waited == [f"waiting for 1 card: 0 in use by process {process.pid}, which is not of jobctl"]
    lease.release()


def test_a_process_that_only_npu_smi_can_see_is_believed_until_it_shows_it_no_more(tmp_path: Path, show: Show) -> None:
    of_another_container = 2**22 + 1  # above what Linux gives
    show([0], {0: of_another_container})
    reasons = []

    def wait(describe: Callable[[], Waiting], held: list[int]) -> None:
        reasons.append(describe().reason)
        show([0])
        time.sleep(0.01)

    lease = cards.acquire(tmp_path, Wants("run-1", 1), {"run_id": "run-1"}, wait)
    assert len(reasons) > 1
    lease.release()


def test_without_npu_smi_the_device_files_are_counted(tmp_path: Path) -> None:
    for name in ("davinci2", "davinci5", "davinci_manager"):
        (tmp_path / name).touch()
    if shutil.which("npu-smi") is None:
        assert cards.look(tmp_path) == Seen([2, 5], {2: 0, 5: 1}, None)


SHOW_CARDS = (
    "import os; open('output/seen', 'w').write("
    "os.environ['ASCEND_RT_VISIBLE_DEVICES'] + ' ' + os.environ.get('NPU_VISIBLE_DEVICES', 'unset'))"
)


def test_a_run_sees_the_cards_it_holds_as_the_runtime_counts_them(
    weird_path: Path, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPU_VISIBLE_DEVICES", "0,1")
    show([2, 3, 6, 7], {2: 99})
    job = make_job("cards-1", [python_stage("s", SHOW_CARDS)], device="npu", cards=2)
    status = run_job(weird_path, job)
    assert status["state"] == "SUCCEEDED", status
    assert status["cards"] == [3, 6]
    assert (weird_path / "runs" / "cards-1" / "output" / "seen").read_text() == "1,2 unset"
    assert cards.holders(weird_path / "leases", [2, 3, 6, 7]) == {}


def start_npu_run(root: Path, run_id: str, script: str, count: int) -> Path:
    run_dir = stage_run(root, make_job(run_id, [python_stage("s", script)], device="npu", cards=count))
    control.start(root, run_id)
    return run_dir


def state_is(state: str) -> Callable[[Json], bool]:
    return lambda status: status["state"] == state and (state != "QUEUED" or bool(status["reason"]))


def test_a_queued_run_says_what_it_waits_for_until_nothing_of_the_holder_is_left(tmp_path: Path, show: Show) -> None:
    show([0, 1])
    holder = start_npu_run(tmp_path, "holder-1", "import time; time.sleep(3600)", 2)
    wait_for(lambda: control.status(holder), state_is("RUNNING"))
    waiter = start_npu_run(tmp_path, "waiter-1", "pass", 1)
    queued = wait_for(lambda: control.status(waiter), state_is("QUEUED"))
    assert queued["reason"].startswith("waiting for 1 card: 0, 1 held by holder-1 (alice@laptop, since ")
    holders = [(row["card"], row["run_id"], row["by"]) for row in queued["waiting"]["holders"]]
    assert holders == [(0, "holder-1", "alice@laptop"), (1, "holder-1", "alice@laptop")]
    kill_with_keeper(holder)
    left = "0, 1 in use by what run holder-1 left behind; cancel it"
    wait_for(lambda: control.status(waiter), lambda status: left in (status["reason"] or ""))
    control.cancel(tmp_path, "holder-1", grace_s=1)
    assert wait_for_end(waiter)["state"] == "SUCCEEDED"


def test_a_queued_run_can_be_cancelled(tmp_path: Path, show: Show) -> None:
    show([0])
    holder = start_npu_run(tmp_path, "holder-2", "import time; time.sleep(3600)", 1)
    wait_for(lambda: control.status(holder), state_is("RUNNING"))
    waiter = start_npu_run(tmp_path, "waiter-2", "pass", 1)
    wait_for(lambda: control.status(waiter), state_is("QUEUED"))
    cancelled = control.cancel(tmp_path, "waiter-2", grace_s=1)
    assert (cancelled["state"], cancelled["waiting"]) == ("CANCELLED", None)
    assert control.cancel(tmp_path, "holder-2", grace_s=1)["state"] == "CANCELLED"


def test_a_run_for_cards_that_are_not_there_fails_and_says_so(tmp_path: Path, show: Show) -> None:
    show([0, 1])
    status = run_job(tmp_path, make_job("many-1", [python_stage("s", "pass")], device="npu", cards=4))
    assert status["state"] == "FAILED"
    assert status["reason"] == "4 cards asked for; this host has 2 cards (0, 1)"
    assert (status["verdict"]["kind"], status["verdict"]["line"]) == ("cards", status["reason"])


def test_a_wait_that_is_over_fails_the_run_and_names_the_holder(tmp_path: Path, show: Show) -> None:
    show([0])
    holder = start_npu_run(tmp_path, "holder-3", "import time; time.sleep(3600)", 1)
    wait_for(lambda: control.status(holder), state_is("RUNNING"))
    for run_id, wait_s, words in (("waiter-3", 0, "not to be waited for"), ("waiter-4", 1.5, "waited 1.5 s")):
        job = make_job(run_id, [python_stage("s", "pass")], device="npu", cards=1, wait_s=wait_s)
        status = run_job(tmp_path, job)
        assert status["state"] == "FAILED"
        assert status["reason"].startswith(f"no cards, {words}: waiting for 1 card: 0 held by holder-3 (alice@laptop, ")
        assert status["verdict"]["kind"] == "cards"
        assert status["waiting"] is None
    assert control.cancel(tmp_path, "holder-3", grace_s=1)["state"] == "CANCELLED"
