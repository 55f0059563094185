"""A saved output of any `npu-smi info ...`, as one model: what was asked, the cards, the processes, and the rest. Pure.

`info` itself is read by `jobctl.host.npu_smi`, which the host program needs too. The other questions answer in lines of
`key : value`, except `-m` (a table without frames) and `-t topo` (a matrix).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobctl.host import npu_smi
from jobctl.host.npu_smi_words import clean_lines, mapping_rows, number, real_number, told

_PAIR = re.compile(r"^\s*([A-Za-z][^:|]*?)\s*:\s*(.*?)\s*$")
_PROCESS = re.compile(r"Process id\s*:\s*(\d+)\s+Process name\s*:\s*(.*?)\s+Process memory\(MB\)\s*:\s*(\S+)", re.I)
_EVENT = re.compile(r"event id\s*=\s*(0x[0-9A-Fa-f]+).*?severity\s*=\s*(\d+)", re.IGNORECASE)
_NOISE = re.compile(r"^\s*\[(?:WARN|ERROR|INFO)|failed|\bret is\b")
_NO_CHIPS = ("Mcu", "3559")  # what else sits on a card and has a chip id
_KINDS = (
    ("processes", ("Process id",)),
    ("topology", ()),
    ("list", ("Total Count", "Card Count")),
    ("board", ("Software Version", "Board ID", "Chip Version")),
    ("ecc", ("HBM Single Bit Error Count", "DDR Single Bit Error Count")),
    ("usages", ("Aicore Usage Rate(%)", "HBM Usage Rate(%)", "NPU Utilization(%)", "Memory Usage Rate(%)")),
    ("memory", ("HBM Capacity(MB)", "DDR Capacity(MB)")),
    ("health", ("Health Status", "Health")),
    ("fault_events", ("Fault Event Count",)),
)


@dataclass(frozen=True)
class ReportedCard:
    """A chip, as far as the output tells. None: it does not."""

    npu: int | None = None
    chip: int | None = None
    phy_id: int | None = None
    logic_id: int | None = None
    name: str | None = None
    health: str | None = None
    power_w: float | None = None
    temperature_c: int | None = None
    aicore_percent: int | None = None
    hbm_used_mb: int | None = None
    hbm_total_mb: int | None = None
    memory_used_mb: int | None = None
    memory_total_mb: int | None = None
    bus_id: str | None = None


@dataclass(frozen=True)
class ReportedProcess:
    """A process on a chip, by its pid on the host."""

    npu: int | None
    chip: int | None
    pid: int
    name: str | None
    memory_mb: int | None


@dataclass(frozen=True)
class SmiReport:
    """`kind`: info, mapping, list, board, usages, memory, ecc, health, fault_events, processes, topology, or unknown.

    `cards` and `processes` None: the output does not say. `values`: the lines `key : value`, a mapping for each block;
    for topology the links, `{"NPU0": {"NPU1": "HCCS"}}`.
    """

    kind: str
    tool: str | None = None
    driver: str | None = None
    cards: tuple[ReportedCard, ...] | None = None
    processes: tuple[ReportedProcess, ...] | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    values: tuple[Mapping[str, Any], ...] = field(default=())


def read_report(text: str) -> SmiReport:
    """What a saved output says. Never raises: what cannot be read is unknown, and `error` says why."""
    found = npu_smi.parse(text)
    if found.cards is not None or found.processes is not None or found.driver is not None:
        return _of_info(found)
    for reader in (_of_mapping, _of_topology, _of_pairs):
        report = reader(text)
        if report is not None:
            return replace(report, warnings=tuple(found.warnings))
    return SmiReport("unknown", error=found.error, warnings=tuple(found.warnings))


def as_data(report: SmiReport) -> dict[str, Any]:
    """The JSON of `jobctl cards --parse`."""
    return {
        "kind": report.kind,
        "tool": report.tool,
        "driver": report.driver,
        "cards": None if report.cards is None else [dict(vars(card)) for card in report.cards],
        "processes": None if report.processes is None else [dict(vars(one)) for one in report.processes],
        "error": report.error,
        "warnings": list(report.warnings),
        "values": [dict(block) for block in report.values],
    }


def _of_info(found: npu_smi.Snapshot) -> SmiReport:
    cards = None if found.cards is None else tuple(map(_reported, found.cards))
    shown = found.processes
    processes = (
        None
        if shown is None
        else tuple(ReportedProcess(one.npu, one.chip, one.pid, one.name or None, one.memory_mib) for one in shown)
    )
    return SmiReport("info", found.tool, found.driver, cards, processes, found.error, tuple(found.warnings))


def _reported(card: npu_smi.Card) -> ReportedCard:
    return ReportedCard(
        npu=card.npu,
        chip=card.chip,
        phy_id=card.phy_id,
        name=card.name,
        health=card.health,
        power_w=card.power_w,
        temperature_c=card.temperature_c,
        aicore_percent=card.load_percent,
        hbm_used_mb=card.hbm_used_mib,
        hbm_total_mb=card.hbm_total_mib,
        memory_used_mb=card.memory_used_mib,
        memory_total_mb=card.memory_total_mib,
        bus_id=card.bus_id,
    )


def _of_mapping(text: str) -> SmiReport | None:
    rows = mapping_rows(text)
    chips = [row for row in rows if row.get("Chip Logic ID") != "-" and row.get("Chip Name") not in _NO_CHIPS]
    if not rows:
        return None
    cards = tuple(
        ReportedCard(
            npu=_id(row.get("NPU ID")),
            chip=_id(row.get("Chip ID")),
            logic_id=_id(row.get("Chip Logic ID")),
            phy_id=_id(row.get("Chip Phy-ID")),
            name=told(row.get("Chip Name", "")),
        )
        for row in chips
    )
    return SmiReport("mapping", cards=cards, values=tuple(rows))


def _of_topology(text: str) -> SmiReport | None:
    """A matrix of links; heads and rows are named NPU0, NPU1, ... (Phy-ID0 on 910C)."""
    head: list[str] = []
    links: dict[str, dict[str, str]] = {}
    for line in clean_lines(text):
        words = line.split()
        devices = [word for word in words if re.fullmatch(r"(?:NPU|Phy-ID|Chip)\d+", word)]
        if len(devices) > 1:
            head = devices
        elif head and len(devices) == 1 and words[0] == devices[0]:
            links[words[0]] = dict(zip(head, words[1:], strict=False))
    if not links:
        return None
    npus = tuple(ReportedCard(npu=int(name[3:])) for name in links if name.startswith("NPU"))
    return SmiReport("topology", cards=npus or None, values=(links,))


def _of_pairs(text: str) -> SmiReport | None:
    blocks, processes = _blocks(text)
    keys = {key for block in blocks for key in block}
    if not keys and not processes:
        return None
    kind = next((kind for kind, names in _KINDS if any(name in keys for name in names)), None)
    if processes or "Process id" in keys:
        kind = "processes"
    if kind is None and "NPU ID" not in keys:
        return None
    driver = next((told(block["Software Version"]) for block in blocks if "Software Version" in block), None)
    cards = tuple(_card_of(block) for block in blocks if _tells_a_card(block))
    return SmiReport(
        kind or "unknown",
        driver=driver,
        cards=cards or None,
        processes=tuple(processes) if kind == "processes" else None,
        values=tuple(blocks),
    )


def _blocks(text: str) -> tuple[list[dict[str, Any]], list[ReportedProcess]]:
    """Lines of `key : value`, a block for each card: a key that comes again, or an "NPU ID", begins the next one."""
    blocks: list[dict[str, Any]] = []
    processes: list[ReportedProcess] = []
    for line in clean_lines(text):
        process = _PROCESS.search(line)
        if process:
            npu = _id(blocks[-1].get("NPU ID")) if blocks else None
            chip = _id(blocks[-1].get("Chip ID")) if blocks else None
            pid, name, memory = int(process[1]), told(process[2]), number(process[3])
            processes.append(ReportedProcess(npu, chip, pid, name, memory))
            continue
        pair = _PAIR.match(line)
        if not pair or _NOISE.search(line):
            continue
        key, value = pair[1], pair[2]
        if not blocks or key in blocks[-1] or (key == "NPU ID" and "Chip ID" not in blocks[-1] and len(blocks[-1]) > 1):
            blocks.append({})
        event = _EVENT.search(value)
        blocks[-1][key] = {"event": event[1], "severity": int(event[2]), "text": value} if event else value
    return blocks, processes


def _tells_a_card(block: Mapping[str, Any]) -> bool:
    return any(name in block for name in ("NPU ID", "Health", "Health Status", "HBM Capacity(MB)", "Chip Name"))


def _card_of(block: Mapping[str, Any]) -> ReportedCard:
    def word(*names: str) -> str | None:
        return next((told(str(block[name])) for name in names if name in block), None)

    return ReportedCard(
        npu=_id(word("NPU ID")),
        chip=_id(word("Chip ID")),
        phy_id=_id(word("Chip Phy-ID", "Phy-ID")),
        logic_id=_id(word("Chip Logic ID")),
        name=word("Chip Name", "NPU Name", "Product Name"),
        health=word("Health Status", "Health"),
        power_w=real_number(word("Power Dissipation(W)", "NPU Real-time Power(W)", "Real-time Power(W)")),
        temperature_c=number(word("Temperature(C)", "Temperature (C)", "NPU Temperature (C)")),
        aicore_percent=number(word("Aicore Usage Rate(%)", "NPU Utilization(%)")),
        hbm_total_mb=number(word("HBM Capacity(MB)")),
        memory_total_mb=number(word("DDR Capacity(MB)", "Memory Capacity(MB)")),
        bus_id=word("PCIe Bus Info"),
    )


def _id(word: Any) -> int | None:
    """An id; -1 is what 950 prints for a card that cannot be used."""
    found = number(str(word)) if word is not None else None
    return None if found is None or found < 0 else found
