"""Versions of driver, firmware and CANN, and what is known to go together. Pure.

Every row has its source. What no row says is unknown, and is not called wrong. No NPU was ever at hand.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_HIASCEND = "https://www.hiascend.com/document/detail"
PADDLE = "https://paddlepaddle.github.io/PaddleX/latest/other_devices_support/paddlepaddle_install_NPU.html"
OLDEST_DRIVER = "23.0.3"
"""The one that PaddlePaddle names for 910B (PADDLE)."""


class Pair(NamedTuple):
    """CANN and driver (Ascend HDK). `fits`: whether the source says so. A version stands for those that add parts
    to it: 24.1.rc2 for 24.1.rc2.2, 25.0 for 25.0.rc1."""

    cann: str
    driver: str
    fits: bool
    source: str


def _pairs(cann: str, drivers: str, source: str, fits: bool = True) -> list[Pair]:
    return [Pair(cann, driver, fits, source) for driver in drivers.split()]


_MINDIE_21 = f"{_HIASCEND}/zh/mindie/21RC1/releasenote/releasenote_0004.html"
_CANN_85 = f"{_HIASCEND}/en/canncommercial/850/releasenote/releasenote_0000.html"
_CANN_911 = f"{_HIASCEND}/en/CANNCommunityEdition/910/softwareinst/releasenote/9.1.1/release-notes_en.md"
_PADDLE_RC2 = "https://paddlepaddle.github.io/PaddleX/3.0-rc/other_devices_support/paddlepaddle_install_NPU.html"
_PADDLE_DEVICE = "https://github.com/PaddlePaddle/PaddleCustomDevice (backends/npu: image cann80RC1, driver 23.0.3)"
_ATLAS_QUICK = f"{_HIASCEND}/zh/quick-installation/24.0.RC1/quickinstg/800I_A2/quickinstg_800I_A2_0001.html"

PAIRS: tuple[Pair, ...] = (
    *_pairs("8.0.rc1", "23.0.3", _PADDLE_DEVICE),
    *_pairs("8.0.rc1", "24.1.rc1", _ATLAS_QUICK),
    *_pairs("8.0.rc2", "23.0.3", _PADDLE_RC2),
    *_pairs("8.0.0", "23.0.3", PADDLE),
    *_pairs("8.2.rc1", "24.1.rc2 24.1.rc3 24.1.0 25.0.rc1 25.2.0", _MINDIE_21),
    *_pairs("8.5.0", "25.0 25.2 25.3 25.5", _CANN_85),
    *_pairs("8.5.2", "25.0 25.2 25.3 25.5 25.7.rc1 26.0.rc1 26.1.1", _CANN_911),
    *_pairs("9.0", "25.0 25.2 25.3 25.5 25.7.rc1 26.0.rc1 26.1.1", _CANN_911),
    *_pairs("9.1", "25.2 25.3 25.5 25.7.rc1 26.0.rc1 26.1.1", _CANN_911),
    *_pairs("9.1", "25.0", _CANN_911, fits=False),
)

FIRMWARE = {
    # driver: firmware, of one release of Ascend HDK for 910B
    "23.0.3": "7.1.0.5.220",  # names of the packages of HDK 23.0.3
    "24.1.rc1": "7.1.0.6.220",  # _ATLAS_QUICK
    "24.1.rc3": "7.5.0.1.129",  # both version.info of a host, in public bug reports
}


def field(text: str, name: str) -> str | None:
    """The value of `name=` in a version file, in whatever case the name is written."""
    found = re.search(rf"^\s*{re.escape(name)}\s*=\s*(\S+)", text, re.MULTILINE | re.IGNORECASE)
    return found[1].lower() if found else None


def order(version: str) -> tuple[tuple[int, int], ...]:
    """A key to compare by: 23.0.rc3 < 23.0.0 < 23.0.3 < 24.1.rc1. Other words count as nothing."""
    key: list[tuple[int, int]] = []
    for part in version.lower().split("."):
        found = re.match(r"(rc)?(\d+)", part)
        if found:
            key.append((0 if found[1] else 1, int(found[2])))
    return tuple(key)


def stands_for(row: str, version: str) -> bool:
    """Whether `version` is `row` or adds parts to it."""
    return version == row or version.startswith(f"{row}.")


def find_pair(cann: str, driver: str) -> Pair | None:
    """What is known of the two together."""
    fitting = [pair for pair in PAIRS if stands_for(pair.cann, cann) and stands_for(pair.driver, driver)]
    return fitting[0] if fitting else None


def drivers_for(cann: str) -> list[str]:
    """The drivers that are known to fit."""
    return [pair.driver for pair in PAIRS if pair.fits and stands_for(pair.cann, cann)]


def firmware_ranges(driver_text: str) -> list[tuple[str, str]]:
    """The firmware that a driver says it works with: `compatible_version_fw=[7.0.0,7.5.99]` (drivers from 24.1 on)."""
    said = field(driver_text.replace(" ", ""), "compatible_version_fw") or ""
    return re.findall(r"\[([\d.]+),([\d.]+)\]", said)
