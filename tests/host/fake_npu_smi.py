"""Imitates `npu-smi info` and `npu-smi info -m` of a host with 910B cards: prints the cards and processes it is told.

Put on PATH by the fixture of test_cards.py; what it shows stands in `cards.json` beside it, {"cards": [ids],
"processes": {id: pid}}. Only the layout is real; no card was ever at hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HEAD = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.0                   Version: 24.1.0                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+"""
CARD = """\
| {0:<5} 910B2               | OK            | 97.3        47                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3335 / 65536         |
+===========================+===============+====================================================+"""
PROCESS_HEAD = """\
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+"""
PROCESS = "| {0:<7} 0                 | {1:<13} | python                   | 30780                   |"
NONE = "| No running processes found in NPU {0:<61}|"
MAPPING = "{0:<30} {1:<30} {2:<30} {3}"


def main() -> None:
    told: dict[str, Any] = json.loads(Path(sys.argv[0]).with_name("cards.json").read_text())
    if "-m" in sys.argv:
        print(MAPPING.format("NPU ID", "Chip ID", "Chip Logic ID", "Chip Name"))
        for place, card in enumerate(told["cards"]):
            print(MAPPING.format(card, 0, place, "Ascend 910B2"))
        return
    print(HEAD, *(CARD.format(card) for card in told["cards"]), PROCESS_HEAD, sep="\n")
    for card, pid in told["processes"].items():
        print(PROCESS.format(card, pid))
    for card in told["cards"]:
        if str(card) not in told["processes"]:
            print(NONE.format(card))


if __name__ == "__main__":
    main()
