"""A host with cards, for tests: fake_npu_smi.py as `npu-smi` in a folder for PATH."""

from __future__ import annotations

import json
import sys
from pathlib import Path


class FakeSmi:
    """`folder` goes first on PATH. `show` says which cards and processes it shows from then on."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        program = folder / "npu-smi"
        program.write_text(f"#!{sys.executable}\n" + Path(__file__).with_name("fake_npu_smi.py").read_text())
        program.chmod(0o755)

    def show(self, ids: list[int], processes: dict[int, int] | None = None) -> None:
        """`processes`: card to the pid that is on it."""
        beside = self.folder / "cards.json.part"
        beside.write_text(json.dumps({"cards": ids, "processes": processes or {}}))
        beside.replace(self.folder / "cards.json")
