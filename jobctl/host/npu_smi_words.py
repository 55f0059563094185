"""The words of `npu-smi`'s tables: lines, rows, values, and the table of `info -m`. Pure."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

Row = List[str]
"""The cells between "|", without the blanks around them."""

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_BORDERS = str.maketrans("│┃║", "|||")
_FRAME = re.compile(r"^[\s|+=\-─━═┌┬┐├┼┤└┴┘╒╤╕╞╪╡╘╧╛╔╦╗╠╬╣╚╩╝]*$")
_VALUE = re.compile(r"(?:NA|N/A|-|\d+)\s*/\s*(?:NA|N/A|-|\d+)|\S+", re.IGNORECASE)
_UNTOLD = ("", "-", "--", "NA", "N/A", "NULL", "NONE")
_IDLE = "No running process"
_NUMBER = re.compile(r"^-?\d+$")
_REAL = re.compile(r"^-?\d+(?:\.\d+)?$")
_MAPPING_COLUMNS = re.compile(r"NPU ID|Slot ID|Chip ID|Chip Logic ID|Chip Phy-ID|Chip Name")


def clean_lines(text: str) -> List[str]:
    """Lines without what terminals and other systems put into them."""
    return _ESCAPE.sub("", text).translate(_BORDERS).replace("\r\n", "\n").replace("\r", "\n").split("\n")


def row_of(line: str) -> Optional[Row]:
    """The cells of a row; None for a frame line, and for a line of no table. What stands before the first "|" (a
    prompt, the mark of a quotation, a time) is no part of it."""
    at = line.find("|")
    if at < 0:
        return None
    inner = line[at + 1 :].rstrip()
    if _FRAME.match(inner) or (line[:at].strip() and inner.count("|") < 2 and _IDLE not in inner):
        return None
    return [cell.strip() for cell in (inner[:-1] if inner.endswith("|") else inner).split("|")]


def values_of(cell: str) -> List[str]:
    """The values in a cell; "0    / 65536" is one."""
    return _VALUE.findall(cell)


def told(word: str) -> Optional[str]:
    """A word, or None where it stands for nothing."""
    return None if word.strip().upper() in _UNTOLD else word.strip()


def number(word: Optional[str]) -> Optional[int]:
    """A whole number; None for anything else."""
    return int(word) if word is not None and _NUMBER.match(word) and len(word) < 19 else None


def real_number(word: Optional[str]) -> Optional[float]:
    """A number with or without a point; None for anything else."""
    return float(word) if word is not None and _REAL.match(word) and len(word) < 19 else None


def usage_pair(word: Optional[str]) -> Tuple[Optional[int], Optional[int]]:
    """Used and total of "3335 / 65536"."""
    used, slash, total = (word or "").partition("/")
    return (number(used.strip()), number(total.strip())) if slash else (None, None)


def parse_mapping(text: str) -> Dict[Tuple[int, int], int]:
    """`npu-smi info -m`: (NPU id, chip id) to the chip's logic id, by which the runtime counts. Mcu rows left out.

    The table of 950 has no logic ids: the answer is empty.
    """
    found: Dict[Tuple[int, int], int] = {}
    for row in mapping_rows(text):
        npu, chip, logic = (number(row.get(name)) for name in ("NPU ID", "Chip ID", "Chip Logic ID"))
        if npu is not None and chip is not None and logic is not None and npu >= 0:
            found[npu, chip] = logic
    return found


def mapping_rows(text: str) -> List[Dict[str, str]]:
    """The rows of `npu-smi info -m` by the names of their columns, also of Mcu; none where there is no such table.

    Names hold blanks ("Ascend 910B3") and rows may have lost theirs, so the last column is what the others leave.
    """
    columns: List[str] = []
    found: List[Dict[str, str]] = []
    for line in clean_lines(text):
        names = _MAPPING_COLUMNS.findall(line)
        if len(names) >= 3 and names[0] == "NPU ID":
            columns = names
            continue
        words = line.split(None, len(columns) - 1) if columns else []
        if len(words) >= 3 and _NUMBER.match(words[0]) and (_NUMBER.match(words[1]) or words[1] == "-"):
            found.append({name: word.strip() for name, word in zip(columns, words)})
    return found
