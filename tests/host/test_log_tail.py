"""The last lines of logs, over the ends of files and of blocks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.host.frames import CHUNK
from jobctl.host.log_starts import start_of_tail
from jobctl.host.logs import LogReader
from tests.host.runs import make_job, python_stage

LONG = b"x" * CHUNK
TEXTS = (
    (b"", b""),
    (b"a\n", b""),
    (b"", b"a\nb\nc\n"),
    (b"a\nb\n", b"c\nd"),
    (b"\n\n\n", b"\n"),
    (LONG + b"\n" + LONG[1:] + b"\nlast\n", b"one\n"),
    (b"a\n" + LONG * 3, LONG + b"\n" + LONG),
)


@pytest.mark.parametrize("texts", TEXTS, ids=range(len(TEXTS)))
def test_a_tail_has_as_many_lines_as_were_asked_for(weird_path: Path, texts: tuple[bytes, bytes]) -> None:
    (weird_path / "logs").mkdir()
    stages = [python_stage("a", ""), python_stage("b", ""), python_stage("not begun", "")]
    (weird_path / "job.json").write_text(json.dumps(make_job("tail", stages)))
    for name, text in zip("ab", texts, strict=True):
        (weird_path / "logs" / f"{name}.log").write_bytes(text)
    paths = [weird_path / file for file, _ in LogReader(weird_path, None, None).files()]
    lines = [line for text in texts for line in text.splitlines(keepends=True)]
    for wanted in range(7):
        at, offset = start_of_tail(paths, wanted)
        left = (b"", *texts, b"")[at + 1][offset:] + b"".join(texts[at + 1 :])
        assert left == b"".join(lines[max(0, len(lines) - wanted) :])
