"""Tables of `npu-smi info` with values drawn at random, printed as the tool's open source prints them (hicann/driver,
25.7) and as older versions did, then made worse as terminals, copying and log files make them: all is read back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.ascend.smi_report import as_data, read_report

LAYOUTS = ("910A", "910B", "910C", "310", "310P", "950", "26.0")
WORDS = st.text("abcdefgh_.-0123456789", min_size=1, max_size=30).map(lambda text: "p" + text)
PERCENT = st.integers(0, 100)
SIZE_MB = st.integers(0, 131072)


@st.composite
def hosts(draw: st.DrawFn, layout: str) -> dict[str, Any]:
    """What a host of that kind has: the model, as `--parse` must give it."""
    dies = {"910C": 2, "310": 4}.get(layout, 1)
    cards: list[dict[str, Any]] = []
    for npu in sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=4))):
        name = draw(st.sampled_from(["910B2", "910B4", "Ascend910", "310P3", "910ProB", "xxx"]))
        for chip in range(dies):
            cards.append(_card(draw, layout, npu, chip, name, len(cards)))
    processes = None
    if layout != "310":
        processes = [
            {
                "npu": card["npu"],
                "chip": card["chip"],
                "pid": draw(st.integers(1, 4194304)),
                "name": draw(st.none() | WORDS),
                "memory_mb": draw(SIZE_MB),
            }
            for card in cards
            for _ in range(draw(st.integers(0, 2)))
        ]
    return {
        "driver": draw(st.sampled_from(["21.0.2", "23.0.rc2.3", "24.1.0", "25.5.2", "26.0.rc1"])),
        "cards": cards,
        "processes": processes,
        "error": None,
    }


def _card(draw: st.DrawFn, layout: str, npu: int, chip: int, name: str, place: int) -> dict[str, Any]:
    hbm = layout not in ("310", "310P")
    total = draw(st.sampled_from([32768, 65536, 86016])) if hbm else None
    return {
        "npu": npu,
        "chip": None if layout == "950" else chip,
        "phy_id": place if layout in ("910C", "310", "310P") else None,
        "name": name,
        "health": draw(st.sampled_from(["OK", "Warning", "Alarm", "Critical", "UNKNOWN"])),
        "power_w": None
        if (layout == "910C" and chip)
        else draw(st.none() | st.integers(0, 9999).map(lambda n: n / 10)),
        "temperature_c": draw(st.none() | st.integers(-20, 110)),
        "aicore_percent": draw(PERCENT),
        "hbm_used_mb": draw(st.integers(0, total)) if total else None,
        "hbm_total_mb": total,
        "memory_used_mb": draw(SIZE_MB),
        "memory_total_mb": draw(SIZE_MB),
        "bus_id": draw(st.none() | st.integers(0, 255).map(lambda bus: f"0000:{bus:02X}:00.0")),
    }


def printed(host: dict[str, Any], layout: str) -> str:
    wide = layout in ("310", "310P")
    border = "+-------------------------------+-----------------+----------------------------------+"
    lines = [
        border,
        f"| npu-smi 25.7                     Version: {host['driver']:<37} |",
        border,
        *head(layout),
        border,
    ]
    for card in host["cards"]:
        lines += [*rows(card, layout), border.replace("-", "=")]
    lines.append(border)
    if host["processes"] is not None:
        lines += [border, process_head(layout), border.replace("-", "=")]
        for npu in dict.fromkeys(card["npu"] for card in host["cards"]):
            shown = [one for one in host["processes"] if one["npu"] == npu]
            lines += [process(one, layout) for one in shown] or [f"| No running processes found in NPU {npu:<40}|"]
            lines.append(border.replace("-", "="))
    assert wide == (host["cards"][0]["hbm_total_mb"] is None)
    return "\n".join(lines) + "\n"


def head(layout: str) -> list[str]:
    readings = "Power(W)     Temp(C)           " + ("" if layout == "310" else "Hugepages-Usage(page) ")
    usages = "Memory-Usage(MB)" + ("" if layout in ("310", "310P") else "  HBM-Usage(MB)")
    if layout == "950":
        return [
            f"| NPU ID | Name             | Health        | {readings}|",
            f"|        |                  | Bus-Id        | NPU Util(%) {usages}|",
        ]
    second = {"910C": "Phy-ID", "310": "Device", "310P": "Device"}.get(layout, "")
    return [
        f"| NPU   Name                | Health        | {readings}|",
        f"| Chip  {second:<20}| Bus-Id        | AICore(%)   {usages}|",
    ]


def rows(card: dict[str, Any], layout: str) -> list[str]:
    def word(value: Any, missing: str = "NA") -> str:
        return missing if value is None else str(value)

    pages = "" if layout == "310" else " 0     / 0            "
    readings = (
        f"{word(card['power_w'], '-' if layout == '910C' else 'NA'):<11} {word(card['temperature_c']):<17}{pages}|"
    )
    usages = f"{card['aicore_percent']:<11} {card['memory_used_mb']:<5}/ {card['memory_total_mb']:<10}"
    if card["hbm_total_mb"] is not None:
        usages += f" {card['hbm_used_mb']:<6}/ {card['hbm_total_mb']:<13}"
    bus = word(card["bus_id"])
    if layout == "950":
        return [
            f"| {card['npu']:<7}| {card['name']:<17}| {card['health']:<13} | {readings}",
            f"|        |                  | {bus:<13} | {usages} |",
        ]
    phy = word(card["phy_id"], "")
    return [
        f"| {card['npu']:<5} {card['name']:<20}| {card['health']:<13} | {readings}",
        f"| {card['chip']:<5} {phy:<20}| {bus:<13} | {usages} |",
    ]


def process_head(layout: str) -> str:
    ids = "NPU ID" if layout == "950" else "NPU     Chip"
    more = " Process id in container |" if layout == "26.0" else ""
    return f"| {ids:<26}| Process id    | Process name             | Process memory(MB)      |{more}"


def process(one: dict[str, Any], layout: str) -> str:
    ids = f"{one['npu']}" if layout == "950" else f"{one['npu']:<7} {one['chip']}"
    more = f" {one['pid'] % 97:<23} |" if layout == "26.0" else ""
    return f"| {ids:<26}| {one['pid']:<13} | {one['name'] or '':<24} | {one['memory_mb']:<23} |{more}"


def squeeze(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def with_dates(text: str) -> str:
    return "\n".join("2026-11-23 00:13:07 host npu-smi: " + line for line in text.splitlines())


WORSE: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "colours": lambda text: text.replace("OK", "\x1b[1;32mOK\x1b[0m").replace("|", "\x1b[0m|"),
    "other lines around it": lambda text: (
        "[WARNING] old firmware\n$ npu-smi info\n" + text + "CANN: package_name=x, version=8.0\n"
    ),
    "no blanks around the slash": lambda text: text.replace("/ ", "/"),
    "one blank only": squeeze,
    "twice the blanks": lambda text: text.replace("   ", "      "),
    "no frame lines": lambda text: "\n".join(line for line in text.splitlines() if not line.startswith("+")),
    "quoted": lambda text: "".join(f"> {line}\n" for line in text.splitlines()),
    "in a comment": lambda text: "".join(f"    # {line}\n" for line in text.splitlines()),
    "dates of a log": with_dates,
    "drawn with lines": lambda text: text.replace("|", "│"),
    "no end of the rows": lambda text: "\n".join(line.rstrip("| ") for line in text.splitlines()),
    "after an older one": lambda text: text.replace(" OK ", " Alarm ") + text,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("how", WORSE)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_all_of_a_table_is_read(layout: str, how: str, data: st.DataObject) -> None:
    host = data.draw(hosts(layout))
    found = as_data(read_report(WORSE[how](printed(host, layout))))
    for card in found["cards"] or []:
        assert card.pop("logic_id") is None
    assert {key: found[key] for key in host} == host
