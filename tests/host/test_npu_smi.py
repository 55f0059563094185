"""What npu-smi prints. The samples are ours, in the formats of other people's reports: no card was at hand.

A new sample: put `NAME.txt` and what is expected, `NAME.json`, into `data/npu_smi`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.host.npu_smi import parse, parse_mapping

SAMPLES = Path(__file__).with_name("data") / "npu_smi"


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.txt")))
def test_a_table_becomes_cards_and_processes(name: str) -> None:
    found = parse((SAMPLES / f"{name}.txt").read_text())
    wanted = json.loads((SAMPLES / f"{name}.json").read_text())
    cards = [[card.npu, card.name, card.health, card.hbm_used_mib, card.hbm_total_mib] for card in found.cards or []]
    processes = [[one.npu, one.pid, one.name, one.memory_mib] for one in found.processes or []]
    assert found.driver == wanted["driver"]
    assert (None if found.cards is None else cards) == wanted["cards"]
    assert (None if found.processes is None else processes) == wanted["processes"]
    assert found.error == wanted.get("error")
    assert len(found.warnings) == wanted.get("warnings", 0)


def test_the_runtimes_numbers_are_not_the_cards_numbers() -> None:
    text = (
        "\tNPU ID                         Chip ID                        Chip Logic ID                  Chip Name\n"
        "\t3                              0                              0                              Ascend 910B3\n"
        "\t3                              1                              -                              Mcu\n"
        "\t4                              0                              1                              Ascend 910B3\n"
    )
    assert parse_mapping(text) == {(3, 0): 0, (4, 0): 1}
    assert parse_mapping("dcmi module initialize failed. ret is -8005\n") == {}
    assert parse_mapping("") == {}


def test_what_a_card_does_not_tell_is_unknown() -> None:
    cards = parse((SAMPLES / "two_chips_without_hbm.txt").read_text()).cards
    assert cards is not None
    assert [(card.chip, card.phy_id, card.power_w, card.bus_id) for card in cards] == [
        (0, 0, None, "0000:01:00.0"),
        (1, 1, None, None),
    ]
    assert (cards[1].memory_used_mib, cards[1].memory_total_mib) == (1680, 43693)
