"""A queue of processes: each draws a number and holds a lock on it, so that a dead process's number does not count."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, List, Optional, Tuple

from .locks import is_held, locked, open_lock_file, try_lock

_TICKET = re.compile(r"(\d{12})-(.+)$")


class Ticket:
    """A place in the queue in `folder`, from `with` on; `name` is what those behind us are told."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._number = 0
        self._descriptor = -1

    def __enter__(self) -> Ticket:
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder / ".lock"):
            self._number = max([number for number, _ in self._all()] + [0]) + 1
            self._descriptor = open_lock_file(self._path(self._number, self._name))
            try_lock(self._descriptor)
        return self

    def __exit__(self, *_: Any) -> None:
        with locked(self._folder / ".lock"):
            self._path(self._number, self._name).unlink()
            os.close(self._descriptor)

    def ahead(self) -> Optional[str]:
        """The name of the first living one before us; None when it is our turn. Clears away dead ones."""
        for number, name in self._all():
            if number >= self._number:
                return None
            if is_held(self._path(number, name)):
                return name
            with locked(self._folder / ".lock"):
                path = self._path(number, name)
                if path.exists() and not is_held(path):
                    path.unlink()
        return None

    def _all(self) -> List[Tuple[int, str]]:
        matches = (_TICKET.match(name) for name in os.listdir(str(self._folder)))
        return sorted((int(match.group(1)), match.group(2)) for match in matches if match)

    def _path(self, number: int, name: str) -> Path:
        return self._folder / "{:012d}-{}".format(number, name)
