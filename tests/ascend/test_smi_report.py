"""Saved outputs of `npu-smi info ...` as one model. The samples are ours, in the formats of other people's reports.

A new sample: put `NAME.txt` and what must be read from it, `NAME.json`, into `data/smi` (`info` itself: `tests/host`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.ascend.smi_report import as_data, read_report

SAMPLES = Path(__file__).with_name("data") / "smi"
OF_INFO = Path(__file__).parents[1] / "host" / "data" / "npu_smi"
ALL = sorted([*SAMPLES.glob("*.txt"), *OF_INFO.glob("*.txt")])


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.txt")))
def test_what_a_sample_says_is_read(name: str) -> None:
    found = as_data(read_report((SAMPLES / f"{name}.txt").read_text()))
    wanted = json.loads((SAMPLES / f"{name}.json").read_text())
    assert part_of(found, wanted) == wanted


def part_of(found: Any, wanted: Any) -> Any:
    """`found`, cut to what `wanted` names; lists whole."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {key: part_of(found.get(key, "not there"), value) for key, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        return [part_of(*pair) for pair in zip(found, wanted, strict=True)]
    return found


def test_every_answer_has_the_promised_fields() -> None:
    for path in ALL:
        data = as_data(read_report(path.read_text()))
        assert {"driver", "cards", "processes", "error"} <= data.keys()
        for card in data["cards"] or []:
            wanted = "npu chip phy_id name health power_w temperature_c aicore_percent hbm_used_mb hbm_total_mb bus_id"
            assert set(wanted.split()) <= card.keys()
        for process in data["processes"] or []:
            assert process.keys() == {"npu", "chip", "pid", "name", "memory_mb"}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_text_cut_anywhere_is_read_as_far_as_it_goes(path: Path) -> None:
    text = path.read_text()
    whole = read_report(text)
    for end in range(0, len(text), 7):
        cut = read_report(text[:end])
        known = [card for card in cut.cards or () if card.bus_id is not None and card.hbm_used_mb is not None]
        assert len(cut.cards or ()) <= len(whole.cards or ())
        if whole.kind == cut.kind == "info":  # the last card may be cut within a number
            assert set(known[:-1]) <= set(whole.cards or ())


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            [
                "| 0 ",
                "|",
                " 910B2 ",
                "OK",
                "\n",
                "+--+",
                "1 / 2",
                "NA",
                ":",
                "\x1b[0m",
                "\r",
                "NPU ID",
                "Process id",
                "Health",
                "Bus-Id",
                "0000:C1:00.0",
                "9" * 30,
            ]
        )
    ).map(" ".join)
)
def test_no_text_is_too_odd(text: str) -> None:
    as_data(read_report(text))
