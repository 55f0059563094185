"""What `npu-smi info` prints, as data. Pure. "Unknown" is an answer: no table is not "0 cards".

Made for outputs of 21.0 to 26.0 for 310, 310P, 310B, 910A, 910B, 910C (two dies a card) and the vendor's samples for
950, as people report them and as the tool's open source prints them (hicann/driver). Cells are wider or narrower than
their frame, so rows are cut at "|" and never at columns; which value is which is told by the head of the table. No card
was ever at hand: the outputs are other people's.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from .npu_smi_words import (
    Row,
    clean_lines,
    number,
    parse_mapping,
    real_number,
    row_of,
    told,
    usage_pair,
    values_of,
)

__all__ = ["Card", "CardProcess", "Snapshot", "parse", "parse_mapping"]

_BANNER = re.compile(r"npu-smi[ \t]+([^\s|]+?)[ \t]*(?:Version:[ \t]*([^\s|]*)|\||$)")
_NO_PROCESSES = re.compile(r"No running process\w* found", re.IGNORECASE)
_NO_CARDS = re.compile(r"There is no NPU card", re.IGNORECASE)
_FAILED = re.compile(r"fail|error|denied|not found|cannot|No such", re.IGNORECASE)
_DCMI = re.compile(r"ret is -?\d+|dcmi", re.IGNORECASE)
_INCOMPLETE = "may not be completely installed"
_BUS = re.compile(r"^[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]+$")
_HEAD_910B = (
    ("Power(W)", "Temp(C)", "Hugepages-Usage(page)"),
    ("AICore(%)", "Memory-Usage(MB)", "HBM-Usage(MB)"),
)
_HEAD_310P = (_HEAD_910B[0], _HEAD_910B[1][:2])
_LOAD = ("AICore", "NPU Util")


class Card(NamedTuple):
    """One chip. Sizes are MiB (npu-smi writes MB); None is what the tool does not tell ("NA", "-", no column)."""

    npu: int
    chip: Optional[int]  # None: the layout of 950 has no chips
    name: Optional[str]
    health: Optional[str]
    bus_id: Optional[str] = None
    power_w: Optional[float] = None
    temperature_c: Optional[int] = None
    load_percent: Optional[int] = None  # "AICore(%)"; 950: "NPU Util(%)"
    memory_used_mib: Optional[int] = None  # DDR; 0 of 0 on 910B
    memory_total_mib: Optional[int] = None
    hbm_used_mib: Optional[int] = None
    hbm_total_mib: Optional[int] = None
    phy_id: Optional[int] = None  # "Phy-ID" of 910C, "Device" of 310 and 310P


class CardProcess(NamedTuple):
    """A process on a chip, by the pid of the host (that of its container is not told by most versions)."""

    npu: int
    chip: Optional[int]
    pid: int
    name: str  # may be empty: npu-smi cannot see into other containers
    memory_mib: Optional[int]


class Snapshot(NamedTuple):
    """`cards` None: no table, unknown. `processes` None: no process table, or nothing in it, unknown."""

    tool: Optional[str]
    driver: Optional[str]
    cards: Optional[List[Card]]
    processes: Optional[List[CardProcess]]
    error: Optional[str]
    warnings: List[str]


def parse(text: str) -> Snapshot:
    """`npu-smi info`. Of several tables in one text the last one with cards counts: it is the newest."""
    lines = clean_lines(text)
    starts = [0] + [index for index, line in enumerate(lines) if _BANNER.search(line) and row_of(line)]
    parts = [lines[start:end] for start, end in zip(starts, starts[1:] + [len(lines)])]
    found = [part for part in map(_parse_one, parts) if part.cards]
    chosen = found[-1] if found else _parse_one(lines)
    if len(found) < 2:
        # Warnings and errors may stand before the banner or after the table.
        chosen = chosen._replace(warnings=_warnings(lines))
    else:
        chosen.warnings.append("{} tables in one output; this is the last".format(len(found)))
    return chosen


def _parse_one(lines: List[str]) -> Snapshot:
    rows = [row_of(line) for line in lines]
    start = next((index for index, row in enumerate(rows) if _is_process_head(row)), len(rows))
    cards: Optional[List[Card]] = _parse_cards(rows[:start]) or None
    processes = _parse_processes(rows[start:]) if start < len(rows) else None
    loose = [line.strip() for line, row in zip(lines, rows) if row is None and line.strip(" -=+*.\t")]
    error = None
    if cards is None:
        error = _error(loose)
        if any(_NO_CARDS.search(line) for line in loose):
            cards = []
    banner = next((found for found in map(_BANNER.search, lines) if found), None)
    driver = told(banner.group(2) or "") if banner else None
    return Snapshot(banner.group(1) if banner else None, driver, cards, processes, error, _warnings(lines))


def _warnings(lines: List[str]) -> List[str]:
    return [line.strip() for line in lines if _INCOMPLETE in line]


def _error(loose: List[str]) -> str:
    """Why there is no table: what dcmi says, before other failures, before whatever was said last."""
    for pattern in (_DCMI, _FAILED):
        found = [line for line in loose if pattern.search(line)]
        if found:
            return found[-1]
    return loose[-1] if loose else "npu-smi printed no table"


def _is_process_head(row: Optional[Row]) -> bool:
    return any("process id" in cell.lower() for cell in row or [])


def _parse_cards(rows: List[Optional[Row]]) -> List[Card]:
    """Two rows a chip. A frame line between them means that the second one is missing."""
    heads: List[Row] = []
    found: List[Card] = []
    upper: Optional[Row] = None
    for row in [*rows, None]:
        if row is None or len(row) < 3:
            if upper is not None:
                found.append(_card(upper, None, heads))
            upper = None
        elif _is_card_head(row):
            heads, upper = (heads if len(heads) == 1 else []) + [row], None
        elif _is_lower(row, upper):
            if upper is not None:
                found.append(_card(upper, row, heads))
            upper = None
        elif _starts_card(row):
            if upper is not None:
                found.append(_card(upper, None, heads))
            upper = row
    return found


def _is_card_head(row: Row) -> bool:
    return row[-2] in ("Health", "Bus-Id") or row[0].split()[:1] in (["NPU"], ["Chip"])


def _starts_card(row: Row) -> bool:
    return bool(row[0].split()) and row[0].split()[0].isdigit()


def _is_lower(row: Row, upper: Optional[Row]) -> bool:
    """Whether it tells chip, bus and load: by its bus id; where that is "NA", by numbers alone where names stand."""
    if _BUS.match(row[-2]):
        return True
    return upper is not None and all(number(word) is not None or told(word) is None for word in _words(row))


def _words(row: Row) -> List[str]:
    return " ".join(row[:-2]).split()


def _card(upper: Row, lower: Optional[Row], heads: List[Row]) -> Card:
    """One chip of its two rows: id and name, health, power and temperature; chip, bus, load and memory."""
    identity = _words(upper)
    known = heads if len(heads) == 2 else None
    above, below = _readings(upper, lower, known)
    ids = [number(word) for word in _words(lower)] if lower else []
    memory, hbm = usage_pair(below.get("Memory-Usage")), usage_pair(below.get("HBM-Usage"))
    bus = lower[-2] if lower else ""
    return Card(
        npu=int(identity[0]),
        chip=ids[0] if ids else None,
        name=told(" ".join(identity[1:])),
        health=told(upper[-2]),
        bus_id=bus if ":" in bus else None,
        power_w=real_number(above.get("Power")),
        temperature_c=number(above.get("Temp")),
        load_percent=next((number(below[name]) for name in _LOAD if name in below), None),
        memory_used_mib=memory[0],
        memory_total_mib=memory[1],
        hbm_used_mib=hbm[0],
        hbm_total_mib=hbm[1],
        phy_id=ids[1] if len(ids) > 1 else None,
    )


def _readings(upper: Row, lower: Optional[Row], heads: Optional[List[Row]]) -> Tuple[Dict[str, str], Dict[str, str]]:
    """The last cell of both rows: name of the reading to its word. Without a head, as 910B and 310P have it."""
    above, below = values_of(upper[-1]), values_of(lower[-1]) if lower else []
    if heads:
        names = [re.findall(r"(?:NPU )?[\w-]+\([^)]*\)", head[-1]) for head in heads]
    else:
        names = [list(row) for row in (_HEAD_910B if len(below) != 2 else _HEAD_310P)]
    cut = [[name.split("(")[0] for name in row] for row in names]
    return dict(zip(cut[0], above)), dict(zip(cut[1], below))


def _parse_processes(rows: List[Optional[Row]]) -> Optional[List[CardProcess]]:
    head = [cell.lower() for cell in rows[0] or []]
    pid_at = next(index for index, cell in enumerate(head) if "process id" in cell)
    name_at = next((index for index, cell in enumerate(head) if "name" in cell), None)
    memory_at = next((index for index, cell in enumerate(head) if "memory" in cell), None)
    found: List[CardProcess] = []
    said = False
    for row in rows[1:]:
        if row is None:
            continue
        if any(_NO_PROCESSES.search(cell) for cell in row):
            said = True
            continue
        where = [number(word) for word in " ".join(row[:pid_at]).split()]
        pid = number(row[pid_at]) if len(row) > pid_at else None
        if pid is None or not where or where[0] is None:
            continue
        name = row[name_at] if name_at is not None and len(row) > name_at else ""
        memory = row[memory_at] if memory_at is not None and len(row) > memory_at else ""
        found.append(CardProcess(where[0], where[1] if len(where) > 1 else None, pid, name, number(memory)))
    return found if found or said else None
