"""How the library tells what it is doing; the command line draws it, a notebook may leave it silent."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    def note(self, message: str) -> None:
        """What is waited for now, in a few words."""

    def progress(self, label: str, done: int, total: int) -> None:
        """Bytes of a transfer; `done == total` ends it."""


class Silent:
    """Tells nobody."""

    def note(self, message: str) -> None:
        pass

    def progress(self, label: str, done: int, total: int) -> None:
        pass
