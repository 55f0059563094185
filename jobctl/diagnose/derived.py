"""What follows from the numbers in a log and can be no pattern. Pure.

Each fact is a line that signatures may ask for.
"""

from __future__ import annotations

import re

RESERVED = "jobctl: derived: reserved memory is far above what is allocated"

_UNITS = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0, "KB": 1 / 1024, "MB": 1.0, "GB": 1024.0}
_ALLOCATED = re.compile(r"([\d.]+) ?([KMG]i?B) (?:is )?already allocated")
_RESERVED = re.compile(r"([\d.]+) ?([KMG]i?B) (?:is )?reserved")
_SLACK = 1.1


def derive(text: str) -> list[str]:
    """Lines of facts."""
    allocated, reserved = _size(_ALLOCATED, text), _size(_RESERVED, text)
    if allocated and reserved and reserved > _SLACK * allocated:
        return [RESERVED]
    return []


def _size(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    if not found or found[1].count(".") > 1 or found[1] == ".":
        return None
    return float(found[1]) * _UNITS[found[2]]
