"""The library as a notebook imports it."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASK = """
import sys
from jobctl import api
names = api.__all__ if sys.argv[1] == "forwards" else api.__all__[::-1]
print([name for name in names * 2 if not callable(getattr(api, name))])
"""


@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_a_name_is_what_it_says_however_often_and_in_what_order_it_is_asked_for(order: str) -> None:
    done = subprocess.run([sys.executable, "-c", ASK, order], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
