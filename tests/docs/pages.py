"""Reads the documentation: pages, their fenced blocks with the mark before them, commands, headings, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "README_zh.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"(?:<!-- (?P<mark>[^>]+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block. `mark`: what the comment on the line before says, such as `run` or `file: config.yaml`."""

    page: Path
    line: int
    mark: str
    kind: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line of a console block that begins with `$ `; `output`: the lines below it."""

    page: Path
    line: int
    text: str
    output: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """What the shell makes of it, without redirections."""
        words = shlex.split(self.text, comments=True)
        return words[: next((at for at, word in enumerate(words) if word in (">", "|")), len(words))]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(page, line, (found["mark"] or "").strip(), found["kind"], found["text"])


def commands(block: Block) -> Iterator[Command]:
    lines = block.text.splitlines()
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):
        yield Command(block.page, block.line + start, lines[start][2:], tuple(lines[start + 1 : end]))


def all_commands() -> list[Command]:
    return [
        command for page in PAGES for block in blocks(page) if block.kind == "console" for command in commands(block)
    ]


def links(page: Path) -> Iterator[str]:
    """Targets of links and pictures, code left out."""
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))
    for found in _LINK.finditer(text):
        yield found["target"]


def anchors(page: Path) -> set[str]:
    """The names that a link may have after `#`, as GitHub makes them from headings."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def sections(page: Path) -> dict[str, str]:
    """Heading -> its text, up to the next heading of any depth."""
    parts = re.split(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
