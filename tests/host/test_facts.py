"""Probes are independent: one that hangs or raises costs its own fact and no other."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jobctl.host.facts import PROBES, Asked, gather
from jobctl.host.tool import ask

QUESTION: dict[str, Any] = {"python": None, "lease_dir": None, "source": [], "reach": [], "peers": [], "on_boot": True}


def test_a_probe_that_hangs_or_raises_leaves_its_reason(tmp_path: Path) -> None:
    released = threading.Event()

    def hangs(asked: Asked) -> None:
        released.wait()

    def raises(asked: Asked) -> None:
        raise OSError(116, "Stale file handle", "/data")

    begun = time.monotonic()
    asked = Asked(str(tmp_path), QUESTION)
    found = gather({"hangs": hangs, "raises": raises, "works": lambda asked: asked.root}, asked, 0.2)
    assert time.monotonic() - begun < 5
    assert found["hangs"] == {"unknown": "no answer within 0 s"}
    assert "Stale file handle" in found["raises"]["unknown"]
    assert found["works"] == {"value": str(tmp_path)}
    released.set()


def test_every_probe_answers_on_this_machine(weird_path: Path) -> None:
    question = dict(QUESTION, lease_dir=str(weird_path / "leases"), source=[str(weird_path / "nobody")], container=None)
    found = gather(PROBES, Asked(str(weird_path), question), 30)
    assert {name: fact for name, fact in found.items() if "unknown" in fact} == {}
    assert not (weird_path / "leases").exists(), "examining makes nothing"
    assert list(weird_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/proc/self/mem", "nobody"])
def test_a_program_that_cannot_be_started_is_an_answer(path: str, tmp_path: Path) -> None:
    said = ask([path if path.startswith("/") else str(tmp_path / path)], 5)
    assert said.exit_code is None
    assert "could not be started" in said.err


def test_a_program_that_is_too_slow_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    said = ask(["sh", "-c", 'sleep 600 & echo $! > "$1"; wait', "sh", str(pid_file)], 0.5)
    assert said.err == "sh gave no answer within 0.5 s"
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{pid}")


def test_of_a_program_that_prints_too_much_the_beginning_is_kept() -> None:
    said = ask(
        [sys.executable, "-c", "import os\nfor _ in range(64): os.write(1, b'1' * (1 << 20))\nos.write(2, b'end')"], 60
    )
    assert (said.exit_code, len(said.out), said.err) == (0, 256 << 10, "end")


@pytest.mark.parametrize("section", ["global", "install"])
def test_the_index_that_pip_is_configured_for_is_the_one_that_is_tried(section: str, own_home: Path) -> None:
    (own_home / ".pip").mkdir()
    (own_home / ".pip" / "pip.conf").write_text(f"[{section}]\nindex-url = {own_home.as_uri()}/nobody/\n")
    question = dict(QUESTION, reach=[{"kind": "pip_index", "url": None}])
    (row,) = gather(PROBES, Asked("/nowhere", question), 30)["reach"]["value"]
    assert row["url"] == f"{own_home.as_uri()}/nobody/"
    assert row["error"] == "it is not on this host"
