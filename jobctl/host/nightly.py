"""Nightly builds of Paddle and of its plugin: whether they are of one day. Pure.

Builds of different days break in ways that say nothing of it: undefined symbols, an operator that is not found
(PaddlePaddle issues 65797, 77716). The maintainers' advice is the same date for both.
"""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Optional

_NIGHTLY = re.compile(r"(?P<base>[0-9][0-9.]*)[.-]?dev(?P<day>20[0-9]{6})\b")
_FRAMEWORKS = ("paddlepaddle", "paddlepaddle-gpu")
_PLUGIN = re.compile(r"paddle-custom-[a-z0-9-]+\Z")


class Mismatch(NamedTuple):
    """What does not go together, and what would: two sentences."""

    what: str
    remedy: str


def normal(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_mismatch(versions: Mapping[str, str]) -> Optional[Mismatch]:
    """`versions`: package -> version. None also where one of the two is no nightly: nothing is known of that."""
    named = {normal(name): version for name, version in versions.items()}
    frameworks = [(name, version) for name, version in sorted(named.items()) if name in _FRAMEWORKS]
    plugins = [(name, version) for name, version in sorted(named.items()) if _PLUGIN.match(name)]
    for framework, framework_version in frameworks:
        for plugin, plugin_version in plugins:
            ours, theirs = _NIGHTLY.search(framework_version), _NIGHTLY.search(plugin_version)
            if ours and theirs and ours.group("day") != theirs.group("day"):
                day = min(ours.group("day"), theirs.group("day"))
                both = ["{}=={}.dev{}".format(framework, ours.group("base").rstrip("."), day)]
                both.append("{}=={}.dev{}".format(plugin, theirs.group("base").rstrip("."), day))
                return Mismatch(
                    "{} {} and {} {} are builds of different days".format(
                        framework, framework_version, plugin, plugin_version
                    ),
                    "pin both to one day that the indexes have for both, such as {} and {}".format(*both),
                )
    return None
