"""Metrics of other trainers than PaddleSeg: what a stage's own patterns find in its lines. Pure.

A pattern is {"kind": "train" | "eval" | "best", "pattern": a regular expression}; each named group is a metric of that
name. `iter`, `iters`, `epoch` and `images` are whole numbers, `eta` is hours:minutes:seconds.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Pattern, Tuple, Union

from .metrics import Parser, Record, number, parse_eta

_MATCHED_CHARACTERS = 4096  # a pattern sees no more of a line
_WHOLE = ("iter", "iters", "epoch", "images")


class PatternParser:
    """As `metrics.Parser`, by patterns. The first of them that matches a line counts."""

    def __init__(self, patterns: List[Dict[str, Any]]) -> None:
        self._patterns: List[Tuple[str, Pattern[str]]] = [(one["kind"], re.compile(one["pattern"])) for one in patterns]
        self._iter: Optional[int] = None

    def feed(self, line: str) -> List[Record]:
        """The record of `line`: none or one."""
        for kind, pattern in self._patterns:
            match = pattern.search(line[:_MATCHED_CHARACTERS])
            if match:
                return self._record(kind, match.groupdict())
        return []

    def _record(self, kind: str, groups: Dict[str, Optional[str]]) -> List[Record]:
        record: Record = {"kind": kind}
        for name, text in groups.items():
            if text is None:
                continue
            if name == "eta":
                record["eta_s"] = parse_eta(text)
            elif name in _WHOLE:
                if text.isdigit() and len(text) < 16:
                    record[name] = int(text)
            else:
                record[name] = number(text)
                if record[name] is None:
                    record.setdefault("not_finite", []).append(name)
        if kind == "train":
            if "iter" not in record:
                return []
            self._iter = record["iter"]
        record.setdefault("iter", self._iter)
        return [record]


def make_parser(stage: Dict[str, Any]) -> Union[Parser, PatternParser]:
    """What reads the metrics of this stage: its own patterns in place of PaddleSeg's where it has some."""
    return PatternParser(stage["metrics"]) if stage.get("metrics") else Parser()
