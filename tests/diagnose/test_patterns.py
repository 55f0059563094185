"""An expression is ruled out by plain texts only where it cannot match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.diagnose.patterns import alternatives, make_lines, plain_texts
from jobctl.diagnose.signatures import load_catalogue

TEXTS: dict[str, tuple[str, ...]] = {
    r"No space left": ("no space left",),
    r"libatb\w*\.so: cannot": (".so: cannot",),
    r"colou?rs are": ("rs are",),
    r"ab*cdef": ("cdef",),
    r"x{2,3}yes": ("yes",),
    r"(?:disk|quota) .{0,9}full": ("disk", "quota"),
    r"(?:ab|quota)? full": (" full",),
    r"(?=.*error)code": ("code",),
    r"[abc]+\d": (),
    r"(?:ab|cdef)": (),
    r"显存不足": (),
}


@pytest.mark.parametrize("source", TEXTS)
def test_what_every_match_contains(source: str) -> None:
    assert plain_texts(source) == TEXTS[source]


def test_alternatives_are_parted_outside_of_groups_only() -> None:
    assert alternatives(r"a(?:b|c)|[|]|d\|e") == [r"a(?:b|c)", "[|]", r"d\|e"]
    with pytest.raises(re.error):
        make_lines("a|(b")


@pytest.mark.parametrize("signature", load_catalogue(), ids=lambda signature: signature.id)
def test_no_signature_of_the_catalogue_is_ruled_out_where_it_matches(signature: object) -> None:
    @settings(max_examples=2, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        for line in signature.lines:  # type: ignore[attr-defined]
            simple = re.sub(r"\(\?<?[=!](?:[^()]|\([^()]*\))*\)", "", line.source)  # what looks around
            text = data.draw(st.from_regex(re.compile(simple, re.IGNORECASE | re.ASCII)))
            if line.compiled.search(text):
                assert list(line.finditer(text, text.lower()))

    check()
