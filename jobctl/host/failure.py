"""Why a stage failed, in one line. Pure: log texts in, a sentence out.

Exit codes of Paddle's launcher say little (3.3.1): a rank that exits 7 becomes 241, a killed rank 250, and the printed
tail is rank 0's while the cause may stand in workerlog.1 alone. All worker logs are read, and the first error counts.
"""

from __future__ import annotations

import re
import signal
from typing import Dict, List, NamedTuple, Optional, Tuple

_EXCEPTION = re.compile(
    r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)\b.*|^[\w.]*Error: .*"
)
_FATAL = re.compile(
    r"FatalError: |terminate called|Segmentation fault|Bus error|\(core dumped\)|^Killed$|^Fatal Python error"
    r"|^[\w./-]+: error: |: command not found$|No such file or directory$|^ERROR: |\[ERROR\]"
)
_TRACEBACK = "Traceback (most recent call last)"
_SUMMARY = "Error Message Summary:"
_ABORTED_AT = re.compile(r"\*\*\* Aborted at (\d+) \(unix time\)")
_CONTAINER = re.compile(r"Container rank (\d+) status failed .*?code (-?\d+)")
# What a healthy rank says when another one has gone: gloo, the TCP store, HCCL (EI0006 is mostly a consequence).
_CONSEQUENCE = re.compile(
    r"Connection (?:closed|reset|refused)|Socket closed|Broken pipe|[Gg]loo.*(?:[Tt]imeout|TIMEOUT)|Timed out waiting"
    r"|TCPStore|EI0006|SIGTERM|TerminationSignal|recv error|peer may have"
)
_OURS = re.compile(r"^jobctl: error: (.+)$", re.MULTILINE)  # what our own steps conclude
_LONGEST_REASON = 400


class Fault(NamedTuple):
    """The first error of one worker. `at` is seconds since the epoch, when the log itself tells."""

    rank: int
    line: str
    at: Optional[float]
    doubt: int  # 0: a cause; 1: it ended without a word; 2: what a healthy rank says when another one has gone


def exit_words(code: int) -> str:
    """An exit code as people say it: 'exit code 7', 'killed by SIGKILL'."""
    number = -code if code < 0 else code - 128
    if code < 0 or 0 < number < 65:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = "signal {}".format(number)
        return "killed by " + name if code < 0 else "exit code {} (as after {})".format(code, name)
    known = {126: " (not executable)", 127: " (command not found)"}
    return "exit code {}{}".format(code, known.get(code, ""))


def first_error(text: str) -> Optional[str]:
    """The line that names the first error in a log: a traceback's end, Paddle's error summary, or a fatal line."""
    lines = text.replace("\r", "\n").splitlines()
    for index, line in enumerate(lines):
        if _TRACEBACK in line and "C++" not in line:
            found = _after_traceback(lines[index + 1 :])
            if found:
                return found
        elif _SUMMARY in line:
            rest = [later.strip() for later in lines[index + 1 :] if later.strip(" -")]
            if rest:
                return rest[0]
        elif _FATAL.search(line) or (_EXCEPTION.match(line) and "Warning" not in line):
            return line.strip()
    return None


def _after_traceback(lines: List[str]) -> Optional[str]:
    for index, line in enumerate(lines):
        if line and not line[0].isspace() and not line.startswith(("Traceback", "During handling", "The above exc")):
            following = [later.strip() for later in lines[index + 1 : index + 12]]
            if _SUMMARY in following:  # Paddle puts its own summary into the exception's text
                rest = [later for later in following[following.index(_SUMMARY) + 1 :] if later.strip("- ")]
                return rest[0] if rest else line.strip()
            return line.strip()
    return None


def blamed_ranks(launcher: str) -> Dict[int, int]:
    """Ranks that the launcher names as failed, and their exit codes."""
    return {int(rank): int(code) for rank, code in _CONTAINER.findall(launcher)}


def last_of_ours(log: str) -> Optional[str]:
    """What a step of our own concluded last."""
    ours = _OURS.findall(log)
    return str(ours[-1]) if ours else None


def find_fault(
    workers: Dict[int, str], launcher: str = "", gone: Optional[Dict[int, Optional[int]]] = None
) -> Optional[Fault]:
    """The rank that failed first and what it said. `workers`: local rank to the text (or the end) of its log.

    In order: a cause before a consequence; a rank that was seen to go before the others (`gone`, with its exit code
    where known); the rank that the launcher names; one that failed earlier, where both logs carry a time.
    """
    blamed, first_gone = blamed_ranks(launcher), gone or {}
    faults = []
    for rank, text in sorted(workers.items()):
        line = first_error(text)
        at = _ABORTED_AT.search(text)
        if line is not None:
            when = float(at.group(1)) if at else None
            faults.append(Fault(rank, line, when, 2 if _CONSEQUENCE.search(line) else 0))
        elif first_gone.get(rank):
            code = first_gone[rank] or 0
            faults.append(Fault(rank, exit_words(code), None, _doubt(code)))
        elif blamed.get(rank):
            faults.append(Fault(rank, exit_words(blamed[rank]), None, _doubt(blamed[rank])))
    if not faults:
        return None

    def order(fault: Fault) -> Tuple[int, bool, bool, int]:
        return fault.doubt, fault.rank not in first_gone, fault.rank not in blamed, fault.rank

    first = min(faults, key=order)
    # Times are compared with times only: most logs carry none.
    earlier = [fault for fault in faults if fault.doubt == first.doubt and fault.at and fault.at < (first.at or 0.0)]
    return min(earlier, key=lambda fault: (fault.at or 0.0, order(fault)), default=first)


def _doubt(code: int) -> int:
    """Of a rank that ended without a word. Killed, it had no time for one; SIGABRT is what gloo ends with when a peer
    is gone (the launcher, 3.3.1, then blames that rank), SIGTERM what the launcher sends to those that are left."""
    if code == -signal.SIGTERM:
        return 2
    return 0 if code < 0 and code != -signal.SIGABRT else 1


def last_line(text: str) -> Optional[str]:
    """The last line with anything on it."""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip(" -\t")]
    return lines[-1] if lines else None


def find_error(workers: Dict[int, str], log: str, gone: Optional[Dict[int, Optional[int]]] = None) -> Optional[str]:
    """Who was first and what it said; None when no log holds an error. `log` is the end of the stage's own log."""
    ours = last_of_ours(log)
    if ours:
        return ours
    fault = find_fault(workers, log, gone)
    if fault is None:
        return first_error(log)
    return fault.line if len(workers) == 1 else "rank {} failed first: {}".format(fault.rank, fault.line)


def explain(
    problem: Optional[str],
    code: Optional[int],
    workers: Dict[int, str],
    log: str,
    gone: Optional[Dict[int, Optional[int]]] = None,
) -> str:
    """One line: what happened, what the first error says, how the step ended."""
    parts = [problem] if problem else []
    said = find_error(workers, log, gone)
    if said is None and problem is None:
        said = last_line(log)
    if said and said not in (problem or ""):
        parts.append(said)
    if code and not (said or "").endswith(exit_words(code)):
        parts.append(exit_words(code))
    line = " · ".join(" ".join(part.split()) for part in parts) or "it failed and said nothing"
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
