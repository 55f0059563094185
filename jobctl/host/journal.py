"""What a run tells of itself: status.json, events.jsonl, metrics.jsonl. Written by its supervisor only."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Dict, List, TypeVar, cast

from . import lease_dir, states
from .files import Json, append_line, read_json, write_json
from .metrics import Progress

BEAT_S = 4.0  # `updated_at` is never older while the supervisor lives and can write
_PROGRESS_S = 1.0
_ALL_KEPT_BYTES = 32 << 20  # 80,000 iterations, each of them logged, are 20 MB
_THINNED = ("train", "host", "cards")
_T = TypeVar("_T")


class Journal:
    """Keeps status.json true. A disk that is full does not end a run: what could not be written is written later."""

    def __init__(self, run_dir: Path, job: Json, secrets: Dict[str, str]) -> None:
        self._run_dir = run_dir
        self._secrets = [value for value in secrets.values() if len(value) > 3]
        self.status = read_json(run_dir / "status.json") or states.first_status(job, states.QUEUED)
        self._progress = Progress(self.status.get("progress"))
        self._saved_at = 0.0
        self._count = 0
        self._unsaved_progress = False
        self.kept_young: List[int] = []  # descriptors of the leases, which a cleaner would take for forgotten files
        self._touched_at = time.monotonic()

    def change(self, **fields: Any) -> bool:
        """Set fields of the run and save; True when on disk. Raises ValueError for a state that may not follow."""
        if "state" in fields and not states.may_change(self.status["state"], fields["state"]):
            raise ValueError("{} cannot become {}".format(self.status["state"], fields["state"]))
        self.status.update({name: self.hide(value) for name, value in fields.items()})
        return self._save()

    def change_stage(self, index: int, **fields: Any) -> None:
        """Set fields of one stage and save."""
        self.status["stages"][index].update({name: self.hide(value) for name, value in fields.items()})
        self._save()

    def event(self, event: str, **facts: Any) -> None:
        """One line of events.jsonl."""
        line = {name: self.hide(value) for name, value in facts.items()}
        self._append("events.jsonl", dict(line, at=round(time.time(), 3), event=event))

    def record(self, record: Json) -> None:
        """One parsed line of the training's log, or a sample of the host. Of very many not all are kept."""
        self._count += 1
        if record["kind"] not in _THINNED or self._count % self._stride() == 0:
            self._append("metrics.jsonl", {"attempt": self._attempt(), **record, "at": round(time.time(), 3)})
        if self._progress.feed(record):
            self.status["progress"] = self._progress.as_dict()
            self._unsaved_progress = True

    def _stride(self) -> int:
        """1 up to _ALL_KEPT_BYTES of metrics.jsonl, then every second, then every fourth: it grows ever slower."""
        try:
            size = (self._run_dir / "metrics.jsonl").stat().st_size
        except OSError:
            return 1
        return 1 << min(20, size // _ALL_KEPT_BYTES)

    def beat(self) -> None:
        """Save when it is time: the heartbeat, or news of the training."""
        if self.kept_young and time.monotonic() - self._touched_at > lease_dir.TOUCH_EVERY_S:
            self._touched_at = time.monotonic()
            lease_dir.touch(self.kept_young)
        age_s = time.monotonic() - self._saved_at
        if age_s >= BEAT_S or (self._unsaved_progress and age_s >= _PROGRESS_S):
            self._save()

    def hide(self, value: _T) -> _T:
        """`value` without the secrets, which a log line may have quoted."""
        if not isinstance(value, str):
            return value
        text: str = value
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return cast(_T, text)

    def _attempt(self) -> int:
        stages = [stage for stage in self.status["stages"] if stage["name"] == self.status["stage"]]
        return int(stages[0]["attempts"]) if stages else 1

    def _save(self) -> bool:
        self.status["updated_at"] = round(time.time(), 3)
        self._saved_at = time.monotonic()
        self._unsaved_progress = False
        try:
            write_json(self._run_dir / "status.json", self.status)
        except OSError:
            return False
        return True

    def _append(self, name: str, line: Json) -> None:
        try:
            append_line(self._run_dir / name, line)
        except OSError:
            pass
