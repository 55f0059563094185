"""What a host answers, taken out of a reply with the type that it must have.

A host that is broken, hostile or newer gets a HostProgramError, whatever it says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jobctl.errors import HostProgramError
from jobctl.plan.manifest import Entry
from jobctl.plan.status import parse_status

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,79}\Z")  # as jobctl.host.launch
_TIDIED: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "name": str,
    "count": int,
    "size_bytes": int,
    "age_s": (int, float, type(None)),
    "remove": bool,
    "why": str,
    "error": (str, type(None)),
}
_LEASE: dict[str, type | tuple[type, ...]] = {
    "card": int,
    "held": bool,
    "run_id": (str, type(None)),
    "by": (str, type(None)),
    "since": (int, float, type(None)),
    "free_since": (int, float, type(None)),
}
_MOST_BYTES = 1 << 62
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def misunderstood(host: str, why: str) -> HostProgramError:
    """The error for an answer that is none."""
    return HostProgramError(
        "the host answers something that is not understood",
        where=host,
        value=why[:300],
        hint="an older or newer jobctl, a damaged run directory, or another program in the place of Python",
    )


class Answer:
    """The fields of one reply. Every method raises HostProgramError for a field that is missing or of another type."""

    def __init__(self, host: str, fields: Mapping[str, Any]) -> None:
        self._host = host
        self._fields = fields

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str):
            raise self._wrong(name)
        return value

    def integer(self, name: str) -> int:
        value = self._fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name)
        return value

    def time(self, name: str) -> float:
        """Seconds since the epoch, by the host's clock."""
        value = self._fields.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(name)
        return float(value)

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def table(self, name: str) -> dict[str, Any]:
        value = self._fields.get(name)
        if not isinstance(value, dict):
            raise self._wrong(name)
        return value

    def items(self, name: str) -> list[Any]:
        value = self._fields.get(name)
        if not isinstance(value, list):
            raise self._wrong(name)
        return value

    def positions(self, name: str) -> dict[str, int]:
        """File -> offset in it."""
        found = self._fields.get(name)
        if not isinstance(found, dict) or not all(type(offset) is int and offset >= 0 for offset in found.values()):
            raise self._wrong(name)
        return found

    def indexes(self, name: str, count: int) -> list[int]:
        """Different numbers from 0 to `count` - 1."""
        found = self.items(name)
        if not all(type(index) is int and 0 <= index < count for index in found) or len(set(found)) != len(found):
            raise self._wrong(name)
        return found

    def run_ids(self, name: str) -> list[str]:
        return [self._run_id(value) for value in self.items(name)]

    def status(self) -> dict[str, Any]:
        """The reply is a run's status."""
        return self._status(self._fields)

    def whole_status(self, name: str) -> dict[str, Any]:
        """A field that is a run's status."""
        return self._status(self._fields.get(name))

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._fields.get(name)
        if not isinstance(value, dict):
            raise self._wrong(name)
        return value

    def runs(self) -> dict[str, dict[str, Any]]:
        """Statuses of all the runs of a host, by run id."""
        return {self._run_id(row.get("run_id")): row for row in map(self._status, self.items("runs"))}

    def status_of(self, run_id: str) -> dict[str, Any] | None:
        """The status of one of several runs that were asked for; None where it is not there."""
        found = self._fields.get("statuses")
        if not isinstance(found, dict):
            raise self._wrong("statuses")
        row = found.get(run_id)
        if isinstance(row, dict) and isinstance(row.get("error"), dict):
            raise HostProgramError(str(row["error"].get("message")), where=self._host)
        return None if row is None else self._status(row)

    def pictures(self) -> list[tuple[str, int, str]]:
        """(path, size in bytes, artifact name). Where the paths lead is not checked here."""
        return self._sized("rows")

    def large(self) -> list[tuple[str, int, str]]:
        """Files that are still being hashed, as those of `pictures`."""
        return self._sized("large")

    def _sized(self, name: str) -> list[tuple[str, int, str]]:
        rows = self.items(name)
        if not all(isinstance(row, list) and [type(cell) for cell in row] == [str, int, str] for row in rows):
            raise self._wrong(name)
        return [(row[0], row[1], row[2]) for row in rows]

    def artifacts(self) -> list[tuple[Entry, str]]:
        """Files that can be pulled, each with its artifact's name. Where their paths lead is not checked here."""
        return [self._artifact(row) for row in self.items("rows")]

    def empty_artifacts(self) -> dict[str, str]:
        """Name -> glob of the artifacts without files."""
        rows = self.items("empty")
        if not all(isinstance(row, list) and [type(value) for value in row] == [str, str] for row in rows):
            raise self._wrong("empty")
        return dict(rows)

    def over(self) -> list[Any] | None:
        """How the run had ended when its files were listed; None while it is not over."""
        return None if self._fields.get("over") is None else self.items("over")

    def card_report(self) -> dict[str, Any]:
        """What `cards` says: npu-smi's words, leases, owners of processes, device files."""
        found: dict[str, Any] = {"leases": [self._typed(row, _LEASE, "leases") for row in self.items("leases")]}
        for name in ("smi", "mapping"):
            found[name] = None if self._fields.get(name) is None else self.text(name)
        found["devices"] = self.items("devices")
        found["owners"] = self.mapping("owners")
        found["at"] = self._fields.get("at")
        if not all(isinstance(one, dict) for one in found["owners"].values()):
            raise self._wrong("owners")
        if not all(type(number) is int for number in found["devices"]) or not isinstance(found["at"], int | float):
            raise self._wrong("devices")
        return found

    def tidied(self) -> list[dict[str, Any]]:
        """What `gc` says of each thing on the host."""
        return [self._typed(row, _TIDIED, "rows") for row in self.items("rows")]

    def _typed(self, row: object, kinds: Mapping[str, type | tuple[type, ...]], field: str) -> dict[str, Any]:
        if not isinstance(row, dict) or row.keys() != kinds.keys():
            raise self._wrong(field)
        if not all(isinstance(row[name], kind) for name, kind in kinds.items()):
            raise self._wrong(field)
        return row

    def _artifact(self, row: object) -> tuple[Entry, str]:
        if not isinstance(row, list) or [type(value) for value in row] != [str, str, int, str, str]:
            raise self._wrong("rows")
        path, kind, size, sha256, artifact = row
        if kind not in ("f", "x") or not 0 <= size < _MOST_BYTES or not _SHA256.match(sha256):
            raise self._wrong("rows")
        return Entry(path, "x" if kind == "x" else "f", size, sha256), artifact

    def _run_id(self, value: object) -> str:
        # It becomes a file name here.
        if not isinstance(value, str) or not _RUN_ID.match(value):
            raise misunderstood(self._host, f"not a run id: {value!r}")
        return value

    def _status(self, value: object) -> dict[str, Any]:
        try:
            return parse_status(value)
        except ValueError as error:
            raise misunderstood(self._host, str(error)) from None

    def _wrong(self, name: str) -> HostProgramError:
        return misunderstood(self._host, f"{name}: {self._fields.get(name)!r}")
