"""What the codes in a log mean by the vendor's tables. Pure. The tables are `codes.tsv`, with their sources in
`code_sources.json`; a meaning is no verdict: many codes stand for many causes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jobctl.diagnose.logs import Log

_MOST = 12
# family, its codes in a line, and what the line must speak of for a bare number to count
_FINDERS = (
    ("cann", re.compile(r"(?<![\w-])(E[A-Z]?[0-9A-F]\d{3,4}|WE0001)(?=[^\w]|$)"), None),
    ("acl", re.compile(r"(?<![\w.])([1235]\d{5})(?![\w.]\w|\w)"), re.compile(r"err|fail|code|ret\b|result|acl", re.I)),
    ("aclnn", re.compile(r"(?<![\w.])([135]61\d{3})(?![\w.]\w|\w)"), re.compile(r"aclnn|err|fail|code", re.I)),
    ("rt", re.compile(r"(?:retCode|ret|error code|InnerCode)[ =:]*(0x7[0-9a-f]{6})\b", re.I), None),
    ("drv", re.compile(r"drvRet(?:Code)?[ =:]*(\d{1,5})\b", re.I), None),
    ("hccl", re.compile(r"error code is (\d{1,2})\b"), re.compile("hccl", re.I)),
    ("hccl", re.compile(r"errNo\[0x0*50000([0-9a-f]{2})\]", re.I), None),
    ("dcmi", re.compile(r"ret(?: is|=|:)? ?(-80\d\d|-8255)\b", re.I), None),
    ("fault", re.compile(r"(?<!\w)(?:0x)?(8[0-9a-f]{7})(?!\w)", re.I), None),
)


@dataclass(frozen=True)
class Code:
    """A code that stands in the logs. `hint`: what the tables or experience advise, if anything."""

    family: str
    code: str
    name: str
    meaning: str
    hint: str
    source: str


@cache
def _tables() -> dict[tuple[str, str], Code]:
    folder = resources.files(__package__)
    sources: dict[str, str] = json.loads((folder / "code_sources.json").read_text("utf-8"))
    rows = (line.split("\t") for line in (folder / "codes.tsv").read_text("utf-8").splitlines()[1:])
    return {
        (family, code.lower()): Code(family, code, name, meaning, hint, sources[family])
        for family, code, name, meaning, hint in rows
    }


def explain_codes(logs: Sequence[Log]) -> tuple[Code, ...]:
    """The known codes in the logs, in the order in which they come, a dozen at most."""
    tables, found = _tables(), dict[tuple[str, str], tuple[int, int]]()
    for index, log in enumerate(logs):
        for family, finder, speaks in _FINDERS:
            for match in finder.finditer(log.cleaned):
                key = family, _canonical(family, match[1])
                if key in tables and key not in found and (not speaks or speaks.search(log.line_at(match.start()))):
                    found[key] = index, match.start(1)
    ordered = sorted(found, key=lambda key: found[key])
    return tuple(tables[key] for key in ordered[:_MOST])


def _canonical(family: str, text: str) -> str:
    if family == "fault":
        return "0x" + text.lower()
    if family == "hccl" and not text.isdigit():
        return str(int(text, 16))
    return text.lstrip("0").lower() or "0" if family == "hccl" else text.lower()
