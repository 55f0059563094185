"""Builds of Paddle and its plugin of different days do not work together; cases as data."""

from __future__ import annotations

import pytest

from jobctl.host.nightly import find_mismatch

DIFFERENT: dict[str, dict[str, str]] = {
    "two nightlies": {"paddlepaddle": "3.0.0.dev20250102", "paddle-custom-npu": "3.0.0.dev20250105"},
    "names as files have them": {"PaddlePaddle": "3.0.0.dev20250102", "paddle_custom_npu": "3.0.0.dev20250105"},
    "with a local part": {"paddlepaddle": "3.0.0.dev20250102+cpu", "paddle-custom-npu": "3.0.0.dev20241231"},
    "other bases too": {"paddlepaddle": "3.1.0.dev20250102", "paddle-custom-npu": "3.0.0.dev20241231"},
    "as older indexes write it": {"paddlepaddle": "3.0.0-dev20250102", "paddle-custom-npu": "3.0.0-dev20250105"},
}
FINE: dict[str, dict[str, str]] = {
    "one day": {"paddlepaddle": "3.0.0.dev20250102", "paddle-custom-npu": "3.0.0.dev20250102"},
    "releases": {"paddlepaddle": "3.3.1", "paddle-custom-npu": "3.3.0"},
    "a release and a nightly: not known": {"paddlepaddle": "3.0.0", "paddle-custom-npu": "3.0.0.dev20250102"},
    "no plugin": {"paddlepaddle": "3.0.0.dev20250102", "numpy": "1.26.4"},
    "another package with a date": {"paddlepaddle": "3.0.0.dev20250102", "visualdl": "2.5.dev20240101"},
    "nothing": {},
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_days_are_told_with_what_to_pin(name: str) -> None:
    found = find_mismatch(DIFFERENT[name])
    assert found is not None
    assert "are builds of different days" in found.what
    day = min("20250102", "20241231" if "20241231" in str(DIFFERENT[name]) else "20250105")
    assert f"paddlepaddle==3.{1 if 'bases' in name else 0}.0.dev{day}" in found.remedy
    assert f"paddle-custom-npu==3.0.0.dev{day}" in found.remedy


@pytest.mark.parametrize("name", FINE)
def test_one_day_or_none_that_is_known_is_no_mismatch(name: str) -> None:
    assert find_mismatch(FINE[name]) is None
