"""What this laptop keeps of a run for its reports: its records and pictures, so that they can be made with no host."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from jobctl.laptop.places import home


class KeptRun:
    """A folder of one run, in `JOBCTL_HOME/seen`. `pulled`: where a pull of the run may lie; looked at second."""

    def __init__(self, run_id: str, pulled: Path | None = None) -> None:
        self._folder = home() / "seen" / run_id
        self._pulled = pulled

    def write(self, name: str, data: bytes) -> None:
        """Keep a file under its path in the run directory; as well as can be, a report does not depend on it."""
        path = self._path(name)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.write_bytes(data)
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        """The file, as it was seen last or as it was pulled; None where it never was here."""
        for path in (self._path(name), *([self._pulled / name] if self._pulled else [])):
            try:
                return path.read_bytes()
            except OSError:
                continue
        return None

    def read_object(self, name: str) -> dict[str, Any] | None:
        """A JSON object."""
        try:
            found = json.loads(self.read(name) or b"null")
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _path(self, name: str) -> Path:
        # A host names these files, so the name is no path of ours.
        return self._folder / hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
