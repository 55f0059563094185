"""What ended an attempt: its kind, the rank that failed first, and the evidence. Pure: facts in, the verdict out.

ARCHITECTURE.md ("What a run outlives") lists the kinds and the fields. `retry` decides by the kind.
"""

from __future__ import annotations

import re
import signal
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from . import failure
from .files import Json

REPEATING = frozenset(("config", "data", "environment", "cpu"))
"""Kinds of failures that the same thing done again would meet again."""

_EVIDENCE_LINES = 12
_LONGEST_LINE = 400
_CRASHES = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL")  # what a process does to itself

# The first that matches counts. PaddleSeg's last words are those of 2.9.0 (npu_cann8.0), the codes CANN's.
_KINDS = (
    ("disk", r"No space left on device|no space left|Disk quota exceeded|ENOSPC|EDQUOT"),
    (
        "oom",
        r"^MemoryError|Cannot allocate memory|out of memory|Out of memory|OutOfMemory|ResourceExhausted|drvRetCode=6\b"
        r"|\b207001\b|EL0004|killed by signal: Killed",
    ),
    (
        "config",
        r"Config path .*does not exist|^yaml\.\w+\.\w*Error|because it is not in config|^[\w./-]+: error: "
        r"|The specified component .*was not found|Directory of the model needed to resume is not Found",
    ),
    (
        "data",
        r"The dataset is not Found|number of samples in \w+ is 0|[Ll]abel\S* .*out of range"
        r"|'NoneType' .*'?(?:astype|shape)"
        r"|folder missing|split without images|not exactly one city level|labels not converted|image without label"
        r"|label without image|names that sort differently|unreadable file|label of the wrong kind"
        r"|image and label differ in size|too few images for the batch|no such folder on the host",
    ),
    ("crash", r"index cannot be reached|Failed to establish|Failed to resolve|cannot download"),  # a network comes back
    (
        "environment",
        r"^ModuleNotFoundError|^ImportError|Fail to open library|undefined symbol|dcmi module initialize failed"
        r"|command not found|could not be started|the file to source is not|sourcing ended the shell"
        r"|is not on this host"
        r"|does not pass its check|cannot make a venv|has no build of it|BUS error encountered in DataLoader"
        r"|a link in the code tree already|the folder to run in is not there",
    ),
)
_PATTERNS = [(kind, re.compile(pattern)) for kind, pattern in _KINDS]


class Facts(NamedTuple):
    """All that is known of how an attempt ended."""

    stage: str
    attempt: int
    code: Optional[int]  # of the last step: negative for a signal
    workers: Dict[int, str]  # local rank to the end of its log
    log: str  # the end of the stage's own log
    at: float
    kind: Optional[str] = None  # a watchdog ended it and says why
    problem: Optional[str] = None  # why we ended it, or could not start it
    started: bool = True
    missing: bool = False  # its steps ended with 0 and left too little
    distributed: bool = False
    gone: Optional[Dict[int, Optional[int]]] = None  # ranks seen to go before all others, and what they ended with
    oom: Optional[str] = None  # what the kernel says of killing something for want of memory meanwhile
    full: bool = False  # the run's disk has no room: programs die of it while they write their last words


def would_repeat(kind: Optional[str]) -> bool:
    """Whether the same attempt made again would fail in the same way."""
    return kind in REPEATING


def make_verdict(facts: Facts) -> Json:
    """The `verdict` of status.json."""
    ours = failure.last_of_ours(facts.log)
    fault = None if ours else failure.find_fault(facts.workers, facts.log, facts.gone)
    said = facts.problem or ours or (fault.line if fault else None) or failure.first_error(facts.log)
    rank = fault.rank if fault and facts.workers and not facts.kind else None
    code = _own_code(facts, rank)
    text = facts.workers.get(rank, "") if rank is not None else facts.log
    line = said or failure.last_line(facts.log) or "it said nothing"
    kind = facts.kind or _kind(facts, said or "", fault, code)
    if facts.full and kind in ("crash", "unknown"):
        kind = "disk"
    lines = evidence(text or facts.log, said)
    if kind == "oom" and facts.oom:
        lines = [*lines[1 - _EVIDENCE_LINES :], _short(facts.oom)]
    return {
        "kind": kind,
        "stage": facts.stage,
        "attempt": facts.attempt,
        "rank": rank,
        "line": _short(" ".join(line.split())),
        "ended": failure.exit_words(code) if code else None,
        "evidence": lines,
        "at": round(facts.at, 3),
    }


def short_verdict(kind: str, line: str, at: float) -> Json:
    """The verdict of a run that failed outside its stages, such as for want of cards."""
    return {
        "kind": kind,
        "stage": None,
        "attempt": None,
        "rank": None,
        "line": _short(" ".join(line.split())),
        "ended": None,
        "evidence": [],
        "at": round(at, 3),
    }


def hide_in(verdict: Json, hide: Callable[[Any], Any]) -> Json:
    """The verdict with `hide` applied to each of its texts: a log line may have quoted a secret."""
    hidden = {name: hide(value) for name, value in verdict.items()}
    hidden["evidence"] = [hide(line) for line in verdict["evidence"]]
    return hidden


def evidence(text: str, said: Optional[str]) -> List[str]:
    """The lines around what was said, or the last ones: twelve at most, none of them empty."""
    lines = [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip(" -=\t")]
    at = next((index for index, line in enumerate(lines) if said and said in line), len(lines) - 1)
    last = min(len(lines), at + 4)
    return [_short(line) for line in lines[max(0, last - _EVIDENCE_LINES) : last]]


def _own_code(facts: Facts, rank: Optional[int]) -> Optional[int]:
    """What the rank itself ended with, where that is known: the launcher's own code says little."""
    if rank is not None:
        seen = (facts.gone or {}).get(rank)
        if seen:
            return seen
        blamed = failure.blamed_ranks(facts.log).get(rank)
        if blamed:
            return blamed
    return facts.code


def _kind(facts: Facts, said: str, fault: Optional[failure.Fault], code: Optional[int]) -> str:
    if facts.missing:
        return "not_left"
    signalled = _signal_name(code)
    if facts.oom and signalled == "SIGKILL":
        return "oom"
    if facts.problem and "Set device: cpu" in facts.problem:
        return "cpu"
    if facts.distributed and facts.code == 15 and (fault is None or fault.doubt == 2):
        return "preempted"  # the launcher (3.3.1) exits with 15 when it was sent SIGTERM, and so only
    for kind, pattern in _PATTERNS:
        if pattern.search(said):
            return kind
    if not facts.started:
        return "start"
    if signalled in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT") and (fault is None or fault.line.startswith("killed")):
        return "killed"
    if fault is not None or signalled in _CRASHES or facts.code or facts.problem:
        return "crash" if said or signalled or fault else "unknown"
    return "unknown"


def _signal_name(code: Optional[int]) -> Optional[str]:
    """Of -9 and of 137, as a shell tells it; not of 128 + 64 and more: a rank's 7 becomes the launcher's 241."""
    number = 0 if code is None else -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name if 0 < number < 32 else None
    except ValueError:
        return None


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"
