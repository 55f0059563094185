"""What `pip install --report` says it took or would take. Pure. Format 1, pip 22.2 to 25."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from .files import Json
from .nightly import normal

FIRST_PIP = (22, 2)
"""The first version that has `--dry-run` and `--report`."""


def parse_pip_version(said: str) -> Optional[tuple[int, int]]:
    """From the output of `pip --version`; None where it says something else."""
    words = said.split()
    if len(words) < 2 or words[0] != "pip":
        return None
    numbers = [part for part in words[1].split(".")[:2] if part.isdigit()]
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else None


def parse_report(text: str) -> List[Json]:
    """[{name, version, sha256, url}] of what came from an index or a folder of wheels.

    What pip takes from a folder or a repository has no version that could be locked, and is left out.
    Raises ValueError.
    """
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("install"), list):
        raise ValueError("not a report of pip")
    return [row for row in map(_row, found["install"]) if row is not None]


def _row(item: Any) -> Optional[Json]:
    try:
        told = item["download_info"]
        archive = told.get("archive_info")
        if archive is None:
            return None
        return {
            "name": normal(item["metadata"]["name"]),
            "version": str(item["metadata"]["version"]),
            "sha256": (archive.get("hashes") or {}).get("sha256"),
            "url": str(told["url"]),
        }
    except (KeyError, TypeError, AttributeError):
        raise ValueError("not a report of pip") from None


def merge(lists: List[List[Json]]) -> List[Json]:
    """One row a package, with the number of the list that it comes from (`list`, from 0). A later list wins, as a later
    `pip install` does.
    """
    last: Dict[str, Json] = {}
    for number, rows in enumerate(lists):
        for row in rows:
            last[row["name"]] = {
                "name": row["name"],
                "version": row["version"],
                "sha256": row.get("sha256"),
                "list": number,
            }
    return [last[name] for name in sorted(last)]
