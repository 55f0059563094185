"""What `npu-smi` prints, as data. Pure. "Unknown" is an answer: no table is not "0 cards".

Made for outputs of 23.0 to 24.1 for 910A, 910B and 310P, and the vendor's samples for 950. Cells are wider or narrower
than their frame, so rows are cut at "|" and never at columns. No card was ever at hand: the outputs are other people's.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple

_BANNER = re.compile(r"npu-smi\s+(\S+)\s+Version:\s*(\S+)")
_USAGE = re.compile(r"(\d+)\s*/\s*(\d+)")
_NO_PROCESSES = re.compile(r"No running processes found in NPU\s+(\d+)")
_FAILED = re.compile(r"fail|error|denied|not found", re.IGNORECASE)
_INCOMPLETE = "may not be completely installed"


class Card(NamedTuple):
    """One chip. Sizes are MiB (npu-smi writes MB); None is what the tool does not tell ("NA", "-", no column)."""

    npu: int
    chip: int
    name: str
    health: str
    bus_id: Optional[str]
    power_w: Optional[float]
    temperature_c: Optional[int]
    load_percent: Optional[int]
    memory_used_mib: Optional[int]
    memory_total_mib: Optional[int]
    hbm_used_mib: Optional[int]
    hbm_total_mib: Optional[int]
    device: Optional[int]  # the "Device" column of 310P: the runtime's number


class CardProcess(NamedTuple):
    npu: int
    chip: int
    pid: int
    name: str
    memory_mib: Optional[int]


class Snapshot(NamedTuple):
    """`cards` None: no table, unknown. `processes` None: no process table, unknown."""

    tool: Optional[str]
    driver: Optional[str]
    cards: Optional[List[Card]]
    processes: Optional[List[CardProcess]]
    error: Optional[str]
    warnings: List[str]


def parse(text: str) -> Snapshot:
    """`npu-smi info`."""
    banner = _BANNER.search(text)
    rows = [_cells(line) if line.strip().startswith("|") else [] for line in text.splitlines()]
    start = next((index for index, row in enumerate(rows) if any("Process id" in cell for cell in row)), len(rows))
    cards = _parse_cards(rows[:start])
    processes = _parse_processes(rows[start:]) if start < len(rows) else None
    loose = [line.strip() for line in text.splitlines() if line.strip() and line.strip()[0] not in "|+"]
    warnings = [line for line in loose if _INCOMPLETE in line]
    error = None
    if not cards:
        failures = [line for line in loose if _FAILED.search(line)]
        error = failures[-1] if failures else (loose[-1] if loose else "npu-smi printed no table")
    return Snapshot(
        banner.group(1) if banner else None,
        banner.group(2) if banner else None,
        cards or None,
        processes,
        error,
        warnings,
    )


def parse_mapping(text: str) -> Dict[Tuple[int, int], int]:
    """`npu-smi info -m`: (NPU id, chip id) to the chip's logic id, by which the runtime counts. Mcu rows left out."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return {}
    head = re.split(r"\s{2,}", lines[0])
    names = ("NPU ID", "Chip ID", "Chip Logic ID")
    if any(name not in head for name in names):
        return {}
    columns = [head.index(name) for name in names]
    found: Dict[Tuple[int, int], int] = {}
    for line in lines[1:]:
        words = re.split(r"\s{2,}", line)
        numbers = [words[column] for column in columns if column < len(words) and words[column].isdigit()]
        if len(numbers) == 3:
            found[int(numbers[0]), int(numbers[1])] = int(numbers[2])
    return found


def _cells(line: str) -> List[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _parse_cards(rows: List[List[str]]) -> List[Card]:
    found: List[Card] = []
    upper: Optional[List[str]] = None
    for row in rows:
        if len(row) < 3:
            upper = None
            continue
        if upper is None:
            upper = row
            continue
        card = _card(upper, row)
        if card is not None:
            found.append(card)
        upper = None
    return found


def _card(upper: List[str], lower: List[str]) -> Optional[Card]:
    """One card of its two rows: id and name, health, power and temperature; chip, bus, load and memory."""
    identity = " ".join(upper[:-2]).split()
    if not identity or not identity[0].isdigit():
        return None  # the header's two rows
    below = [word for word in " ".join(lower[:-2]).split() if word.isdigit()]
    power, temperature = (upper[-1].split() + ["-", "-"])[:2]
    usages = [(int(used), int(total)) for used, total in _USAGE.findall(lower[-1])]
    memory, hbm = (usages + [None, None])[:2]
    return Card(
        npu=int(identity[0]),
        chip=int(below[0]) if below else 0,
        name=" ".join(identity[1:]),
        health=upper[-2],
        bus_id=lower[-2] if ":" in lower[-2] else None,
        power_w=_float(power),
        temperature_c=_int(temperature),
        load_percent=_int((lower[-1].split() or ["-"])[0]),
        memory_used_mib=memory[0] if memory else None,
        memory_total_mib=memory[1] if memory else None,
        hbm_used_mib=hbm[0] if hbm else None,
        hbm_total_mib=hbm[1] if hbm else None,
        device=int(below[1]) if len(below) > 1 else None,
    )


def _parse_processes(rows: List[List[str]]) -> List[CardProcess]:
    head = rows[0]
    columns = {name: index for index, name in enumerate(head)}
    pid_at = columns.get("Process id", 1)
    name_at = columns.get("Process name", 2)
    found: List[CardProcess] = []
    for row in rows[1:]:
        if len(row) <= name_at or not row[pid_at].isdigit():
            continue
        where = [int(word) for word in row[0].split() if word.isdigit()]
        if where:
            chip = where[1] if len(where) > 1 else 0
            found.append(CardProcess(where[0], chip, int(row[pid_at]), row[name_at], _int(row[-1])))
    return found


def _int(word: str) -> Optional[int]:
    return int(word) if word.isdigit() else None


def _float(word: str) -> Optional[float]:
    try:
        return float(word)
    except ValueError:
        return None
