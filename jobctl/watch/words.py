"""Statuses and samples in, the words on the screen out. Pure: the time is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jobctl.monitor.evidence import duration
from jobctl.monitor.plain import plain
from jobctl.monitor.verdict_words import few_words
from jobctl.watch.curves import Measured, Sample

OVER = ("SUCCEEDED", "FAILED", "CANCELLED")
_MARKS = {"SUCCEEDED": "✓", "FAILED": "✗", "LOST": "✗", "CANCELLED": "–", "RUNNING": "▶"}
_FIGURES = {"loss": "loss {:.4f}", "miou": "mIoU {:.4f}", "best_miou": "best {:.4f}", "lr": "lr {:.2g}"}
_BAR = 10  # characters
_GIB_IN_MIB = 1024


@dataclass(frozen=True)
class Link:
    """`lost`: no connection, because of `why`; the next try is at `again_at`. `over`: none is needed any more."""

    kind: Literal["connecting", "live", "lost", "over"] = "connecting"
    why: str = ""
    again_at: float = 0.0


@dataclass(frozen=True)
class Run:
    """One run of the list. `age_s`: so old is what is known; None: it was asked just now, or has ended."""

    run_id: str
    host: str
    status: Mapping[str, Any]
    age_s: float | None = None


def headline(run: Run) -> str:
    """`deeplabv3p-20261123-5f3a on lab-a: RUNNING, train`."""
    state, stage = run.status.get("state", "STAGING"), run.status.get("stage")
    words = f"{run.run_id} on {run.host}: {state}"
    if stage and state == "RUNNING":
        words += f", {stage}"
    return plain(words)


def link_words(link: Link, seen_at: float | None, now: float) -> str:
    """How fresh the screen is. A host that cannot be asked says nothing about the run."""
    if link.kind == "live":
        return "live"
    if link.kind == "over":
        return "the run is over"
    seen = f"as seen {duration(now - seen_at)} ago" if seen_at is not None else "nothing is known yet"
    if link.kind == "connecting":
        return f"connecting; {seen}"
    left = link.again_at - now
    again = f"again in {duration(left)}" if left >= 1 else "connecting again"
    return plain(f"NO CONNECTION, {seen}; {again} ({link.why})")


def why_words(status: Mapping[str, Any]) -> str:
    """Why it failed, waits or is tried again; empty where there is nothing to say."""
    verdict = status.get("verdict") or {}
    if verdict.get("stage") and (status.get("state") in ("FAILED", "LOST") or status.get("retry_at")):
        return plain(few_words(verdict) + (", is tried again" if status.get("retry_at") else ""))
    return plain(str(status.get("reason") or ""))


def fraction(status: Mapping[str, Any]) -> tuple[int, int] | None:
    """(iterations done, of all), once the training has said so."""
    progress = status.get("progress") or {}
    done, of = progress.get("iter"), progress.get("iters")
    return (int(done), int(of)) if done is not None and of else None


def progress_words(status: Mapping[str, Any]) -> str:
    """`█░░░░░░░░░ 1200 of 80000, 3 h 05 min left   loss 0.4213  lr 0.0099  mIoU 0.6120  best 0.6201`."""
    progress = status.get("progress") or {}
    parts = []
    if done := fraction(status):
        left = progress.get("eta_s") if status.get("state") == "RUNNING" and status.get("stage") == "train" else None
        full = _BAR * min(done[0], done[1]) // done[1]
        parts.append(
            f"{'█' * full}{'░' * (_BAR - full)} {done[0]} of {done[1]}" + (f", {duration(left)} left" if left else "")
        )
    figures = [form.format(progress[key]) for key, form in _FIGURES.items() if progress.get(key) is not None]
    return "  ".join([*parts, *figures])


def stage_lines(status: Mapping[str, Any], now: float, width: int) -> list[str]:
    """`✓ environment  4 min 12 s`, one a stage; marks, so that no colour is needed."""
    lines = []
    for stage in status.get("stages") or []:
        began, ended = stage.get("started_at"), stage.get("ended_at")
        took = duration((ended or now) - began) if began else ""
        tries = f" ×{stage['attempts']:.0f}" if (stage.get("attempts") or 0) > 1 else ""
        name = f"{_MARKS.get(stage['state'], '·')} {plain(stage['name'])}{tries}"
        lines.append(_ends(name, took, width))
    return lines


def run_line(run: Run, width: int) -> str:
    """A run of the list: its id, and how far it is, or how old that is."""
    state = str(run.status.get("state", "STAGING"))
    done = fraction(run.status)
    word = f"{100 * done[0] // done[1]}%" if done and state == "RUNNING" else state.lower()
    if run.age_s is not None:
        word += "?"
    return _ends(f"{_MARKS.get(state, '·')} {plain(run.run_id)}", word, width)


def card_lines(measured: Measured) -> list[str]:
    """One line a card, then one for the host; what is not known is left out."""
    lines = [_sample_line(f"card {card.card}", card) for card in measured.cards]
    if measured.cards_unknown:
        lines.append("cards: npu-smi shows no table")
    if measured.host is not None:
        lines.append(_sample_line("host", measured.host))
    return lines


def _sample_line(name: str, sample: Sample) -> str:
    values = sample.values
    parts = [f"{name:<7}"]
    load = values.get("load_percent" if sample.card is not None else "cpu_percent")
    if load is not None:
        parts.append(f"{load:>3.0f} %")
    used, total = values.get("memory_used_mib"), values.get("memory_total_mib")
    if used is not None and total:
        parts.append(f"{used / _GIB_IN_MIB:.1f}/{total / _GIB_IN_MIB:.0f} GiB")
    for key, form in (("temperature_c", "{:.0f} °C"), ("power_w", "{:.0f} W")):
        if (value := values.get(key)) is not None:
            parts.append(form.format(value))
    if (free := values.get("disk_free_mib")) is not None:
        parts.append(f"disk {free / _GIB_IN_MIB:.0f} GiB free")
    return "  ".join(parts)


def _ends(left: str, right: str, width: int) -> str:
    """`left` and `right` at the two ends of a line; `left` gives way."""
    room = max(1, width - len(right) - (1 if right else 0))
    if len(left) > room:
        left = left[: room - 1] + "…"
    return f"{left:<{room}} {right}" if right else left
