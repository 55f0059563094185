"""The screen. It draws what the feed knows, a few times a second and only where that has changed; whatever asks a host
does it in a thread of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Protocol

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.events import Key
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from jobctl.errors import JobctlError
from jobctl.monitor.plain import plain
from jobctl.watch import words
from jobctl.watch.chart import Chart
from jobctl.watch.dialogs import Keys, Question
from jobctl.watch.feed import Feed, Known
from jobctl.watch.log_view import LogView

_DRAW_S = 0.25
_STILL_LOOKING_S = 2.0
AtEnd = Callable[[str, str], None]
_LEFT = 32  # columns of the list of runs and of the stages, as app.tcss has it


def has_browser() -> bool:
    """Whether a browser would come up in a window: one for terminals would take ours."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


class Watched(Protocol):
    """A `jobctl.api.RunWatch`, or what a test has in its place. The first three take as long as the host does."""

    def cancel(self) -> Any: ...
    def pull(self, listener: Any) -> Any: ...
    def report(self, listener: Any) -> Any: ...
    def close(self) -> None: ...


class WatchApp(App[None]):
    """`begin` starts to watch a run, given its id; also of one that is chosen later. `at_end`: told when it is over."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Quit"),
        Binding("ctrl+c", "leave", show=False, priority=True),
        Binding("c", "cancel", "Cancel"),
        Binding("p", "pull", "Pull"),
        Binding("r", "report", "Report"),
        Binding("l", "log", "Log"),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("n", "older", show=False),
        Binding("N", "newer", show=False),
        Binding("question_mark", "keys", "Keys", key_display="?"),
    ]

    def __init__(
        self,
        run_id: str,
        begin: Callable[[str], tuple[Feed, Watched]],
        clock: Callable[[], float] = time.time,
        at_end: AtEnd = lambda title, text: None,
    ) -> None:
        super().__init__(ansi_color=True)
        self.run_id = run_id
        self._begin_run = begin
        self._clock = clock
        self._at_end = at_end
        self._began_at = clock()
        self._feed, self._watch = begin(run_id)
        self._drawn: Known | None = None
        self._busy = ""

    @property
    def state(self) -> str:
        """The run's, as it is known now."""
        return str(self._feed.known().run.status.get("state"))

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Static(id="link", markup=False)
        yield Static(id="progress", markup=False)
        with Horizontal(id="middle"):
            with Vertical(id="left"):
                yield OptionList(id="runs", markup=False)
                yield Static(id="stages", markup=False)
            with Vertical(id="right"):
                with Horizontal(id="charts"):
                    yield Chart("loss", "loss")
                    yield Chart("miou", "mIoU")
                yield Static(id="cards", markup=False)
        yield LogView("log")
        yield Static(id="said", markup=False)
        yield Input(id="search", placeholder="search the log", select_on_focus=True)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one("#search").display = False
        self.query_one("#log").focus()
        self._draw()
        self.set_interval(_DRAW_S, self._draw_while_up)

    def _draw_while_up(self) -> None:
        with suppress(NoMatches):  # Textual 8.2 takes the screen down while timers still fire
            self._draw()

    def _draw(self) -> None:
        """What is new. Ages grow by themselves."""
        known, now = self._feed.known(), self._clock()
        lines, log = self._feed.take_lines(), self.query_one(LogView)
        if lines or self._drawn is None or known.open_line != self._drawn.open_line:
            log.add(lines, known.open_line)
        log.stay()
        for note in self._feed.take_notes():
            self._say(note)
        self._write("link", words.link_words(known.link, known.seen_at, now))
        self.query_one("#link").set_class(known.link.kind == "lost", "lost")
        self.query_one("#head").set_class(known.run.status.get("state") in ("FAILED", "LOST"), "failed")
        asked_at = now if known.link.kind == "live" else known.seen_at or now
        self._write("stages", "\n".join(words.stage_lines(known.run.status, asked_at, _LEFT)))
        if known is not self._drawn:
            self._draw_known(known)
            self._tell_end(known)
            self._drawn = known

    def _tell_end(self, known: Known) -> None:
        """That the run is over, to who has looked away: not of what the host says first, it may be over for long."""
        before, status = self._drawn, known.run.status
        if before is None or before.run.run_id != known.run.run_id or before.run.status.get("state") in words.OVER:
            return
        if status.get("state") in words.OVER and self._clock() - self._began_at > _STILL_LOOKING_S:
            told = (f"{known.run.run_id}: {status['state']}", str(status.get("reason") or ""))
            threading.Thread(target=self._at_end, args=told, daemon=True).start()

    def _draw_known(self, known: Known) -> None:
        status = known.run.status
        why = words.why_words(status)
        self._write("head", words.headline(known.run) + (f": {why}" if why else ""))
        progress = words.progress_words(status)
        self._write("progress", progress)
        self.query_one("#progress").display = bool(progress)
        self.query_one("#loss", Chart).show(known.measured.loss)
        self.query_one("#miou", Chart).show(known.measured.miou)
        cards = words.card_lines(known.measured)
        self._write("cards", "\n".join(cards))
        self.query_one("#cards").display = bool(cards)
        self._draw_runs(known)

    def _draw_runs(self, known: Known) -> None:
        runs, shown = known.runs or (known.run,), self.query_one("#runs", OptionList)
        ids = [run.run_id for run in runs]
        if [option.id for option in shown.options] != ids:
            marked = shown.highlighted_option.id if shown.highlighted_option else self.run_id
            shown.set_options([Option("", id=run_id) for run_id in ids])
            shown.highlighted = ids.index(marked) if marked in ids else None
        for run, option in zip(runs, shown.options, strict=True):
            line = words.run_line(run, _LEFT)
            if option.prompt != line:
                shown.replace_option_prompt(run.run_id, line)

    def _write(self, name: str, text: str) -> None:
        """Nothing is sent to the terminal for what stands there already."""
        place = self.query_one(f"#{name}", Static)
        if place.content != text:
            place.update(text)

    def _say(self, text: str) -> None:
        self._write("said", plain(text).replace("\n", "  "))

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        self._watch.close()
        self.exit()

    def action_keys(self) -> None:
        self.push_screen(Keys())

    def action_log(self) -> None:
        for name in ("middle", "progress"):
            self.query_one(f"#{name}").toggle_class("hidden")
        self.query_one("#log").focus()

    def action_search(self) -> None:
        line = self.query_one("#search", Input)
        line.display = True
        line.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._close_search()
        self._say(self.query_one(LogView).search(event.value))

    def on_key(self, event: Key) -> None:
        if event.key == "escape" and self.query_one("#search").display:
            self._close_search()

    def _close_search(self) -> None:
        self.query_one("#search").display = False
        self.query_one("#log").focus()

    def action_older(self) -> None:
        self._say(self.query_one(LogView).go(up=True))

    def action_newer(self) -> None:
        self._say(self.query_one(LogView).go(up=False))

    def action_cancel(self) -> None:
        if self._feed.known().run.status.get("state") in words.OVER:
            return self._say(f"{self.run_id} has ended; there is nothing to cancel")
        question = f"Cancel {self.run_id}?\nIt and every process of it are ended on the host."
        self.push_screen(Question(question), lambda yes: self._cancel() if yes else None)

    def _cancel(self) -> None:
        self._do("cancel", lambda: f"{self.run_id}: {self._watch.cancel().status['state']}")

    def action_pull(self) -> None:
        def pull() -> str:
            pulled = self._watch.pull(self)
            return f"{len(pulled.fetched)} files new, {len(pulled.unchanged)} unchanged; in {pulled.folder}"

        self._do("pull", pull)

    def action_report(self) -> None:
        def report() -> str:
            file = self._watch.report(self).file.absolute()
            if has_browser():
                self.call_from_thread(self.open_url, file.as_uri())
            return f"the report is {file}"

        self._do("report", report)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Another run: what is shown of this one is forgotten."""
        if event.option.id is None or event.option.id == self.run_id:
            return
        if self._busy:
            self._say(f"wait for the {self._busy}")
            return
        self._watch.close()
        self.run_id = event.option.id
        self._feed, self._watch = self._begin_run(self.run_id)
        self.query_one(LogView).empty()
        self._drawn = None
        self._draw()

    # -- what takes long -----------------------------------------------------------------------------------------------

    def _do(self, name: str, work: Callable[[], str]) -> None:
        """One at a time, in a thread that keeps nobody from leaving."""
        if self._busy:
            return self._say(f"wait for the {self._busy}")
        self._busy = name
        self._say(f"{name} ...")
        threading.Thread(target=self._work, args=(name, work), daemon=True, name=f"jobctl-watch-{name}").start()

    def _work(self, name: str, work: Callable[[], str]) -> None:
        try:
            said = work()
        except JobctlError as error:
            said = f"{name}: {error.what}" + (f" ({error.where})" if error.where else "")
        self._busy = ""
        self._feed.note(said)

    def note(self, message: str) -> None:
        """As a `Listener`, for pull and report."""
        self._feed.note(message)

    def progress(self, label: str, done: int, total: int) -> None:
        self._feed.note(f"{label}: {100 * done // max(1, total)} %")
