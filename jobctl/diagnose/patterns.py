"""Regular expressions that are quick to rule out: each knows plain texts of which every match of it contains one. Pure.

A log may be megabytes and the catalogue has hundreds of expressions; looking for a plain text is a hundred times faster
than for an expression, and nearly none of the texts is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_SHORTEST = 3
_FLAGS = re.IGNORECASE | re.MULTILINE


@dataclass(frozen=True)
class Line:
    """One expression. `texts`: in lower case, one of them in every match; empty where none are known."""

    source: str
    texts: tuple[str, ...]

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.source, _FLAGS)

    def finditer(self, text: str, lowered: str) -> Iterator[re.Match[str]]:
        """Matches in `text`; `lowered` is the same in lower case."""
        if self.texts and not any(one in lowered for one in self.texts):
            return iter(())
        return self.compiled.finditer(text)


def make_lines(source: str) -> list[Line]:
    """An expression as its alternatives. Raises re.error, also for what is wrong within one of them."""
    re.compile(source, _FLAGS)
    return [Line(part, plain_texts(part)) for part in alternatives(source)]


def alternatives(source: str) -> list[str]:
    """The parts between "|" outside of groups and classes."""
    parts, depth, current = [], 0, ""
    for piece in _pieces(source):
        if piece == "|" and not depth:
            parts.append(current)
            current = ""
            continue
        depth += (piece == "(") - (piece == ")")
        current += piece
    return [*parts, current]


def plain_texts(source: str) -> tuple[str, ...]:
    """Texts, in lower case, of which every match contains one: a plain run, or one for each alternative of a group.

    Of several such sets the one whose shortest text is longest; empty where there is none.
    """
    best: tuple[str, ...] = ()
    run = ""
    pieces = [*_pieces(source), ""]
    at = 0
    while at < len(pieces):
        piece, following = pieces[at], pieces[at + 1] if at + 1 < len(pieces) else ""
        if piece == "(":
            end = _group_end(pieces, at)
            after = pieces[end + 1] if end + 1 < len(pieces) else ""
            best, run = _better(best, (run,)), ""
            if not _optional(after):
                best = _better(best, _of_group("".join(pieces[at + 1 : end])))
            at = end
        elif _is_plain(piece) and not _optional(following):
            run += piece[-1]
        else:
            best, run = _better(best, (run,)), ""
        at += 1
    return tuple(text.lower() for text in best)


def _of_group(inside: str) -> tuple[str, ...]:
    if not inside.startswith("?:"):  # looks around, or says how to match
        return ()
    found = [plain_texts(part) for part in alternatives(inside[2:])]
    return tuple(text for texts in found for text in texts) if all(found) else ()


def _group_end(pieces: list[str], start: int) -> int:
    depth = 0
    for at in range(start, len(pieces)):
        depth += (pieces[at] == "(") - (pieces[at] == ")")
        if not depth:
            return at
    return len(pieces) - 1


def _better(best: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    shortest = min((len(text) for text in other), default=0)
    usable = shortest >= _SHORTEST and all(text.isascii() for text in other)
    return other if usable and shortest > min((len(text) for text in best), default=0) else best


def _optional(piece: str) -> bool:
    return piece in ("?", "*") or piece.startswith("{")


def _is_plain(piece: str) -> bool:
    if len(piece) == 2 and piece[0] == "\\":
        return not piece[1].isalnum()
    return len(piece) == 1 and piece not in ".^$+()|[]?*{"


def _pieces(source: str) -> Iterator[str]:
    """Characters; an escape, a class and a count are one piece each."""
    at = 0
    while at < len(source):
        end = at + 1
        if source[at] == "\\":
            end = at + 2
        elif source[at] == "[":
            end = at + 2 if source[at + 1 : at + 2] != "^" else at + 3
            while end < len(source) and source[end] != "]":
                end += 2 if source[end] == "\\" else 1
            end += 1
        elif source[at] == "{":
            end = source.find("}", at) + 1 or len(source)
        yield source[at:end]
        at = end
