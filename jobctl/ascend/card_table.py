"""The cards of a host as rows: what npu-smi says of each, and who has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobctl.ascend.smi_report import ReportedCard, SmiReport, read_report
from jobctl.host.npu_smi import parse_mapping

FREE, HELD, FOREIGN, UNKNOWN = "free", "held", "foreign", "unknown"


@dataclass(frozen=True)
class CardProcess:
    """A process on a card. None: not told, such as the user of one in another container."""

    pid: int
    name: str | None
    user: str | None
    memory_mb: int | None


@dataclass(frozen=True)
class CardRow:
    """A chip and who has it.

    `holder`: held (by a run of jobctl, whoever submitted it), foreign (processes that are not of jobctl), free, or
    unknown (npu-smi shows no processes). `free_since`: seconds since the epoch, of the host; None where not known.
    """

    card: ReportedCard
    holder: str
    run_id: str | None = None
    by: str | None = None
    since: float | None = None
    free_since: float | None = None
    processes: tuple[CardProcess, ...] = ()


@dataclass(frozen=True)
class HostCards:
    """`cards` None: which cards there are is unknown, and `unknown` says why."""

    driver: str | None
    cards: tuple[CardRow, ...] | None
    unknown: str | None
    warnings: tuple[str, ...]
    at: float


def make_host_cards(told: Mapping[str, Any]) -> HostCards:
    """Of what the host's `cards` request answers (`jobctl/host/card_report.py`)."""
    text = told["smi"]
    report = SmiReport("unknown", error="there is no npu-smi on this host") if text is None else read_report(text)
    logic = parse_mapping(told["mapping"] or "")
    cards = report.cards
    unknown = None
    if cards is None:
        unknown = report.error or "npu-smi printed no table"
        devices = told["devices"]
        cards = tuple(ReportedCard(npu=number) for number in devices) if devices else None
    leases = {lease["card"]: lease for lease in told["leases"]}
    rows = None
    if cards is not None:
        rows = tuple(_row(_with_logic(card, logic), report, leases, told["owners"]) for card in cards)
    return HostCards(report.driver, rows, unknown, report.warnings, told["at"])


def _with_logic(card: ReportedCard, logic: Mapping[tuple[int, int], int]) -> ReportedCard:
    if card.npu is None:
        return card
    return ReportedCard(**{**vars(card), "logic_id": logic.get((card.npu, card.chip or 0))})


def _row(
    card: ReportedCard,
    report: SmiReport,
    leases: Mapping[int, Mapping[str, Any]],
    owners: Mapping[str, Mapping[str, Any]],
) -> CardRow:
    lease = leases.get(card.npu, {}) if card.npu is not None else {}
    shown = [one for one in report.processes or () if one.npu == card.npu and one.chip in (None, card.chip)]
    processes = tuple(
        CardProcess(one.pid, one.name or _of(owners, one.pid, "name"), _of(owners, one.pid, "user"), one.memory_mb)
        for one in shown
    )
    if lease.get("held"):
        return CardRow(card, HELD, lease["run_id"], lease["by"], lease["since"], None, processes)
    if processes:
        return CardRow(card, FOREIGN, processes=processes)
    if report.processes is None:
        return CardRow(card, UNKNOWN)
    return CardRow(card, FREE, free_since=lease.get("free_since"))


def _of(owners: Mapping[str, Mapping[str, Any]], pid: int, name: str) -> str | None:
    found = owners.get(str(pid), {}).get(name)
    return found if isinstance(found, str) else None


def as_data(found: HostCards) -> dict[str, Any]:
    """The JSON of one host in `jobctl cards`."""
    return {
        "driver": found.driver,
        "unknown": found.unknown,
        "warnings": list(found.warnings),
        "at": found.at,
        "cards": None if found.cards is None else [_row_data(row) for row in found.cards],
    }


def _row_data(row: CardRow) -> dict[str, Any]:
    rest = {name: value for name, value in vars(row).items() if name not in ("card", "processes")}
    return {**vars(row.card), **rest, "processes": [dict(vars(one)) for one in row.processes]}


def used_memory(card: ReportedCard) -> tuple[int | None, int | None]:
    """Used and total MB of the memory that programs use: HBM, on chips without it DDR."""
    if card.hbm_total_mb is not None:
        return card.hbm_used_mb, card.hbm_total_mb
    return card.memory_used_mb, card.memory_total_mb


def sort_rows(rows: Sequence[CardRow]) -> list[CardRow]:
    """By card and chip."""
    return sorted(rows, key=lambda row: (row.card.npu or 0, row.card.chip or 0))
