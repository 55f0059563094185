"""What one who waits for cards is told. Pure, the clock's time zone apart."""

from __future__ import annotations

import time
from typing import Dict, List, Tuple

from .files import Json
from .lease_dir import Note
from .tickets import Wants

_NAMED = 3


def plural(count: int) -> str:
    """`1 card`, `4 cards`."""
    return "1 card" if count == 1 else "{} cards".format(count)


def wants_text(wants: Wants) -> str:
    """What is asked for, in a few words."""
    text = "card {}".format(_listed(wants.cards)) if wants.cards else plural(wants.number)
    return text + " (exclusive: nobody else on the host)" if wants.exclusive else text


def why_not(
    wants: Wants,
    ahead: List[Wants],
    ids: List[int],
    held: Dict[int, Note],
    left: Dict[int, Note],
    in_use: Dict[int, List[int]],
    unfit: Dict[int, str],
) -> str:
    """One line: what is waited for, who is ahead, and for each card of `ids` that is not free who has it."""
    parts: List[Tuple[str, int]] = []
    for card in ids:
        if card in held:
            parts.append(("held by " + _holder(held[card]), card))
        elif card in left:
            run_id = left[card].run_id or "another run"
            parts.append(("in use by what run {} left behind; cancel it".format(run_id), card))
        elif card in in_use:
            parts.append(("in use by process {}, which is not of jobctl".format(_listed(in_use[card])), card))
        elif card in unfit:
            parts.append((unfit[card], card))
    grouped: Dict[str, List[int]] = {}
    for text, card in parts:
        grouped.setdefault(text, []).append(card)
    words = ["{} {}".format(_listed(cards), text) for text, cards in grouped.items()]
    behind = ", behind {}".format(_queue(ahead)) if ahead else ""
    told = "; ".join(words) or ("" if ahead else "they were free a moment ago")
    return "waiting for {}{}{}".format(wants_text(wants), behind, ": " + told if told else "")


def facts(wants: Wants, ahead: List[Wants], held: Dict[int, Note]) -> Json:
    """`waiting` of status.json, without `since`."""
    return {
        "wants": wants_text(wants),
        "ahead": [other.run_id for other in ahead],
        "holders": [
            {"card": card, "run_id": note.run_id, "by": note.by, "since": note.since}
            for card, note in sorted(held.items())
        ],
    }


def _holder(note: Note) -> str:
    parts = [note.by] if note.by else []
    if note.since is not None:
        parts.append("since {}".format(time.strftime("%m-%d %H:%M", time.localtime(note.since))))
    return (note.run_id or "another run") + (" ({})".format(", ".join(parts)) if parts else "")


def _queue(ahead: List[Wants]) -> str:
    """Who is ahead: the first few by name."""
    names = ", ".join(_who(other) for other in ahead[:_NAMED])
    return names + (" and {} more".format(len(ahead) - _NAMED) if len(ahead) > _NAMED else "")


def _who(wants: Wants) -> str:
    return "{} ({})".format(wants.run_id, wants_text(wants))


def _listed(numbers: List[int]) -> str:
    return ", ".join(map(str, numbers))
