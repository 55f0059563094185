"""What comes over the screen: a question, the keys."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = """\
Tab, arrows  from one part to the next, and in it
Enter        in the list: show that run
l            the log alone, and back
/            search the log: the newest match; n older, N newer
End          follow the log again
c            cancel the run; asks first
p            pull: results to results/RUN
r            write the report and open it
q            leave; the run goes on

The log has the last 5000 lines. The whole of it:
jobctl logs RUN --grep WORDS

Any key closes this."""


class Question(ModalScreen[bool]):
    """`y` is yes, any other key no."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def compose(self) -> ComposeResult:
        yield Static(f"{self._words}\n\ny: yes   any other key: no", markup=False, classes="box")

    def on_key(self, event: Key) -> None:
        event.stop()
        self.dismiss(event.character in ("y", "Y"))


class Keys(ModalScreen[None]):
    def compose(self) -> ComposeResult:
        yield Static(KEYS, markup=False, classes="box")

    def on_key(self, event: Key) -> None:
        event.stop()
        self.dismiss()
