"""What a host or a training says, made harmless for a terminal.

Run names, reasons, paths and log lines come from elsewhere; an escape sequence in them could move the cursor over what
is shown, change the window's title, or answer a question that nobody asked.
"""

from __future__ import annotations

import codecs
import re

# CSI, OSC and the other strings of ECMA-48, two-character escapes; colours go with them.
_SEQUENCE = re.compile(
    "\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[PX^_][^\x1b]*\x1b\\\\|[ -/]*[0-~])"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """Text of ours with words of others in it: line feeds stay, other control characters become U+FFFD."""
    return _LINE_CONTROL.sub("\N{REPLACEMENT CHARACTER}", _SEQUENCE.sub("", text))


class PlainLog:
    """Log bytes as text for a terminal: tabs, line feeds and carriage returns (progress bars) stay."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _SEQUENCE.sub("", self._decoder.decode(data)))
