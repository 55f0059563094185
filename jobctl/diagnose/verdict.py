"""From hits to causes, best first, each as sure as it can be. Pure.

A victim's line ranks behind every cause. Among causes the one counts whose message says most of it; of those that say
about as much, the first in time. Nothing but the first may be called established: what comes later may follow from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobctl.diagnose.codes import Code, explain_codes
from jobctl.diagnose.last_words import last_words
from jobctl.diagnose.logs import Log
from jobctl.diagnose.matcher import Hit, find_hits
from jobctl.diagnose.signatures import SURE, Explanation, Signature, load_catalogue

_BAND = 20
_NEXT_EXPLANATION = 25  # how much less than the first the second explanation of a signature weighs
_AGREES = 4
_MOST_CAUSES = 6
_MOST_LINES = 6
_NOT_ESTABLISHED = "Not established: nothing in these logs is known to jobctl"


@dataclass(frozen=True)
class Cause:
    """One explanation of the failure. `log`: where its first line stands."""

    category: str
    summary: str
    sure: str
    evidence: tuple[str, ...]
    remedy: str
    source: str | None
    why: tuple[str, ...] = ()
    signature: str | None = None
    log: str | None = None
    symptom: bool = False

    def as_data(self) -> dict[str, Any]:
        return {
            "category": self.category,
            "summary": self.summary,
            "sure": self.sure,
            "evidence": list(self.evidence),
            "remedy": self.remedy,
            "source": self.source,
            "why": list(self.why),
            "signature": self.signature,
            "log": self.log,
            "symptom": self.symptom,
        }


@dataclass(frozen=True)
class Diagnosis:
    """`causes`: best first, never empty. `codes`: what the codes in the logs mean by the vendor's tables."""

    causes: tuple[Cause, ...]
    codes: tuple[Code, ...]
    read: tuple[str, ...]

    @property
    def established(self) -> bool:
        return self.causes[0].sure == SURE[0]

    def as_data(self) -> dict[str, Any]:
        """The JSON of `jobctl diagnose`."""
        return {
            "established": self.established,
            "causes": [cause.as_data() for cause in self.causes],
            "codes": [vars(code) | {} for code in self.codes],
            "read": list(self.read),
        }


def diagnose(logs: Sequence[Log], catalogue: Iterable[Signature] | None = None) -> Diagnosis:
    """Why whatever wrote these logs failed. Never raises; `other` and `possible` where nothing is known."""
    hits = find_hits(logs, load_catalogue() if catalogue is None else catalogue)
    causes = _merged(_ranked(hits))
    return Diagnosis(
        tuple(causes or [_unknown(logs)]), explain_codes(logs), tuple(log.name for log in logs if log.ordered)
    )


def _ranked(hits: Sequence[Hit]) -> list[tuple[Hit, Explanation]]:
    support: dict[str, int] = {}
    for hit in hits:
        for explanation in hit.signature.causes[:1]:
            support[explanation.category] = support.get(explanation.category, 0) + 1

    def order(item: tuple[Hit, Explanation, int]) -> tuple[Any, ...]:
        hit, explanation, place = item
        agreeing = min(2, support.get(explanation.category, 1) - 1) * _AGREES
        weight = hit.signature.weight - place * _NEXT_EXPLANATION + agreeing
        role = (hit.signature.notice, hit.signature.symptom)
        return role, -(weight // _BAND), place > 0, hit.when, -weight

    rows = [(hit, explanation, place) for hit in hits for place, explanation in enumerate(hit.signature.causes)]
    return [(hit, explanation) for hit, explanation, _ in sorted(rows, key=order)]


def _merged(rows: Iterable[tuple[Hit, Explanation]]) -> list[Cause]:
    """One cause a category: the surest of its signatures; lines of the others are evidence too."""
    found: dict[str, Cause] = {}
    for hit, explanation in rows:
        known = found.get(explanation.category)
        is_first = next(iter(found), explanation.category) == explanation.category
        cause = _cause(hit, explanation, is_first)
        if known is None:
            found[explanation.category] = cause
        elif not hit.signature.symptom or known.symptom:
            lines = tuple(dict.fromkeys([*known.evidence, *hit.lines]))[:_MOST_LINES]
            better = cause if SURE.index(cause.sure) < SURE.index(known.sure) else known
            found[explanation.category] = replace(better, evidence=lines)
    return list(found.values())[:_MOST_CAUSES]


def _cause(hit: Hit, explanation: Explanation, first: bool) -> Cause:
    return Cause(
        category=explanation.category,
        summary=explanation.summary,
        sure=explanation.sure if first or explanation.sure != SURE[0] else SURE[1],
        evidence=hit.lines,
        remedy=explanation.remedy,
        source=hit.signature.source,
        why=explanation.why,
        signature=hit.signature.id,
        log=hit.log,
        symptom=hit.signature.symptom,
    )


def _unknown(logs: Sequence[Log]) -> Cause:
    lines = last_words(logs)
    return Cause(
        category="other",
        summary=_NOT_ESTABLISHED,
        sure="possible",
        evidence=lines,
        remedy="read the first error of every rank; with cards also the plog of the process (ASCEND_PROCESS_LOG_PATH)",
        source=None,
        log=logs[0].name if logs else None,
    )
