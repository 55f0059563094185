"""Pull and cancel, each in a thread, one of a kind for a run at a time; the page sees how far they are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobctl import api
from jobctl.errors import JobctlError

Doing = dict[str, Any]
KINDS = ("pull", "cancel")


class Actions:
    """`changed` is called after every step."""

    def __init__(self, channels: api.SharedChannels, folder: Path, changed: Callable[[], None]) -> None:
        self._channels = channels
        self._folder = folder
        self._changed = changed
        self._lock = threading.Lock()
        self._doing: dict[tuple[str, str], Doing] = {}

    def start(self, kind: str, run_id: str) -> bool:
        """False: it is under way already."""
        doing = {"run_id": run_id, "kind": kind, "note": "", "done": 0, "total": 0, "ended": False, "failed": False}
        with self._lock:
            before = self._doing.get((run_id, kind))
            if before is not None and not before["ended"]:
                return False
            self._doing[(run_id, kind)] = doing
        self._changed()
        threading.Thread(target=self._act, args=(kind, run_id), daemon=True, name=f"jobctl-ui-{kind}").start()
        return True

    def as_data(self) -> list[Doing]:
        with self._lock:
            return [dict(doing) for doing in self._doing.values()]

    def _act(self, kind: str, run_id: str) -> None:
        teller = _Teller(lambda **fields: self._tell(kind, run_id, **fields))
        try:
            with self._channels.used():
                note = self._pull(run_id, teller) if kind == "pull" else _cancel(run_id, teller)
            self._tell(kind, run_id, note=note, ended=True)
        except JobctlError as error:
            where = f" ({error.where})" if error.where else ""
            self._tell(kind, run_id, note=f"{error.what}{where}", ended=True, failed=True)
        except Exception as error:
            self._tell(kind, run_id, note=f"{type(error).__name__}: {error}", ended=True, failed=True)
            raise

    def _pull(self, run_id: str, teller: _Teller) -> str:
        pulled = api.pull(run_id, to=self._folder / run_id, listener=teller)
        return f"{len(pulled.fetched)} files are new in {pulled.folder}"

    def _tell(self, kind: str, run_id: str, **fields: Any) -> None:
        with self._lock:
            self._doing[(run_id, kind)] |= fields
        self._changed()


def _cancel(run_id: str, teller: _Teller) -> str:
    state = api.cancel(run_id, listener=teller).status["state"]
    return "cancelled" if state == "CANCELLED" else f"nothing was cancelled: it had ended before, {state}"


class _Teller:
    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def note(self, message: str) -> None:
        self._tell(note=message)

    def progress(self, label: str, done: int, total: int) -> None:
        self._tell(note=label, done=done, total=total)
