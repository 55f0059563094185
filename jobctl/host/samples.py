"""What the host's processors, memory, disk and cards do now. Pure but for `read_host`, which reads small files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from .files import Json
from .npu_smi import Card, Snapshot

_MIB = 1 << 20


class CpuTimes(NamedTuple):
    """Ticks since the host's start: not idle, and all."""

    busy: int
    all: int


def parse_cpu_times(proc_stat: str) -> Optional[CpuTimes]:
    """The first line of /proc/stat: user nice system idle iowait irq softirq steal (guest times are in user)."""
    words = proc_stat.split("\n", 1)[0].split()
    if not words or words[0] != "cpu" or len(words) < 5 or not all(word.isdigit() for word in words[1:]):
        return None
    ticks = [int(word) for word in words[1:9]]
    idle = sum(ticks[3:5])
    return CpuTimes(sum(ticks) - idle, sum(ticks))


def parse_memory(meminfo: str) -> Tuple[Optional[int], Optional[int]]:
    """(used, total) in MiB of /proc/meminfo; used is what is not available (Linux >= 3.14)."""
    found: Dict[str, int] = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0])
    total, free = found.get("MemTotal"), found.get("MemAvailable")
    if total is None:
        return None, None
    return (None if free is None else (total - free) >> 10), total >> 10


def make_host_record(before: Optional[CpuTimes], now: Optional[CpuTimes], meminfo: str, disk: Json) -> Json:
    """{"kind": "host", ...}; what is not known is None."""
    percent = None
    if before and now and now.all > before.all:
        percent = round(100.0 * (now.busy - before.busy) / (now.all - before.all), 1)
    used, total = parse_memory(meminfo)
    return {"kind": "host", "cpu_percent": percent, "memory_used_mib": used, "memory_total_mib": total, **disk}


def make_cards_record(snapshot: Optional[Snapshot], cards: List[int]) -> Json:
    """{"kind": "cards", "cards": [...]}: those of `cards` that npu-smi shows; None where it shows no table."""
    if snapshot is None or snapshot.cards is None:
        return {"kind": "cards", "cards": None}
    return {"kind": "cards", "cards": [_card(card) for card in snapshot.cards if card.npu in cards]}


def _card(card: Card) -> Json:
    has_hbm = bool(card.hbm_total_mib)
    return {
        "card": card.npu,
        "load_percent": card.load_percent,
        "memory_used_mib": card.hbm_used_mib if has_hbm else card.memory_used_mib,
        "memory_total_mib": card.hbm_total_mib if has_hbm else card.memory_total_mib,
        "temperature_c": card.temperature_c,
        "power_w": card.power_w,
    }


def read_host(run_dir: Path, before: Optional[CpuTimes]) -> Tuple[Json, Optional[CpuTimes]]:
    """A host record, and the times for the next one."""
    now = parse_cpu_times(_text("/proc/stat", 256))
    return make_host_record(before, now, _text("/proc/meminfo", 8192), _disk(run_dir)), now


def _text(path: str, size: int) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(size).decode("ascii", "replace")
    except OSError:
        return ""


def _disk(folder: Path) -> Json:
    try:
        info = os.statvfs(str(folder))
    except OSError:
        return {"disk_free_mib": None, "disk_total_mib": None}
    return {
        "disk_free_mib": info.f_bavail * info.f_frsize // _MIB,
        "disk_total_mib": info.f_blocks * info.f_frsize // _MIB,
    }
