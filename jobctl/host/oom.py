"""Whether the kernel killed something for want of memory: counters, and its own words where they may be read."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import List, Optional

_KILLED = re.compile(r"oom-kill:|Out of memory: Killed|[Mm]emory cgroup out of memory: Killed")


class OomWatch:
    """Whether it happened since this was made."""

    def __init__(self, whole_host: bool = False) -> None:
        self._whole_host = whole_host  # a container has a cgroup of its own, which is gone when it has ended
        self._kills = kills(whole_host)
        self._since = time.monotonic()  # counts from the boot, as the kernel's own messages do

    def record(self) -> Optional[str]:
        """The kernel's line on it, or that it counted one; None when it did not happen."""
        if kills(self._whole_host) <= self._kills:
            return None
        return last_words(self._since) or "the kernel has killed a process for want of memory (oom_kill)"


def kills(whole_host: bool = False) -> int:
    """How many processes the kernel has killed so. Of our own cgroup; of the whole host where that does not tell."""
    for path in [] if whole_host else _counters(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")):
        found = counted(_read(path))
        if found is not None:
            return found
    return counted(_read(Path("/proc/vmstat"))) or 0  # since Linux 4.13


def counted(text: str) -> Optional[int]:
    """The line `oom_kill N` of memory.events (cgroup v2), memory.oom_control (v1) or vmstat; None without one."""
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def _counters(told: Path, top: Path) -> List[Path]:
    paths = []
    for line in _read(told).splitlines():
        _, controllers, place = (line.split(":", 2) + ["", ""])[:3]
        if not controllers:
            paths.append(top / place.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            paths.append(top / "memory" / place.lstrip("/") / "memory.oom_control")
    return paths


def last_words(since_s: float) -> Optional[str]:
    """The kernel's last line on such a kill, not older than `since_s` seconds after boot; None: none, or not for us."""
    try:
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # kernel.dmesg_restrict, or a container
        return None
    records: List[str] = []
    try:
        while len(records) < 100000:
            try:
                records.append(os.read(descriptor, 8192).decode("utf-8", "replace"))
            except BrokenPipeError:  # overwritten while we read
                continue
            except OSError:
                break
    finally:
        os.close(descriptor)
    return latest(records, since_s)


def latest(records: List[str], since_s: float) -> Optional[str]:
    """The same, of records as /dev/kmsg has them: `priority,number,microseconds,flags;text`."""
    found = None
    for record in records:
        head, _, text = record.partition(";")
        fields = head.split(",")
        if len(fields) > 2 and fields[2].isdigit() and int(fields[2]) >= since_s * 1e6 and _KILLED.search(text):
            found = text.splitlines()[0]
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
