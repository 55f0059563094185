"""The deep check: a small run of its own, in the environment of a config, and what it has seen."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any

from jobctl.api import prepare
from jobctl.api.listener import Listener
from jobctl.api.submit import submit_written
from jobctl.api.wish import Wish
from jobctl.checks.deep import Seen, make_deep_checks, not_done
from jobctl.checks.model import Check
from jobctl.errors import HostError, InputError, JobctlError, NoCardsFree
from jobctl.host.states import FINAL
from jobctl.plan.deep import HELPER, helper, make_deep_job
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect
from jobctl.spec.inventory import Host

_ASK_EVERY_S = 0.5


def examine_deep(written: prepare.Written, target: Host, tell: Listener, *, ask: bool) -> list[Check]:
    """Submit it, wait for its end, judge it, and keep the verdict beside the environment on the host.

    What keeps it from being done is a row.
    """
    template = written.template.model_copy(update={"files": {**written.template.files, HELPER: helper()}})
    small = replace(written, job=make_deep_job(written.job), template=template)
    wish = Wish(wait_s=0 if written.job.device == "npu" else None)
    try:
        run_id = submit_written(small, target, wish, listener=tell).run_id
    except NoCardsFree as error:
        return not_done("unknown", error.what, "jobctl ps")
    except InputError as error:  # such as no image for a host with containers: nothing can be run there
        return not_done("failed", f"{error.what} ({error.hint})" if error.hint else error.what)
    except HostError as error:
        return not_done("failed", error.what, error.next_command)
    try:
        with connect(target, ask=ask) as channel:
            return _follow(channel, run_id, written, tell)
    except JobctlError as error:
        return not_done("unknown", f"{error.what}; the run goes on", f"jobctl status {run_id}")


def _follow(channel: HostChannel, run_id: str, written: prepare.Written, tell: Listener) -> list[Check]:
    status = _until_it_ends(channel, run_id, tell)
    answer = Answer(channel.host, channel.call("deep_seen", run_id=run_id).header)
    seen = Seen(
        device=written.job.device,
        cards=written.job.cards,
        files=answer.table("seen"),
        environment=answer.table("environment") if answer.has("environment") else {},
        ended=_how(status),
        run_id=run_id,
        held=tuple(status.get("cards") or ()),
    )
    checks = make_deep_checks(seen)
    good = all(check.verdict in ("ok", "warning", "skipped") for check in checks)
    verdict: dict[str, Any] = {"passed": good, "device": seen.device, "cards": seen.cards}
    verdict["checks"] = [asdict(check) for check in checks]
    channel.call("deep_keep", run_id=run_id, verdict=verdict)
    return checks


def _until_it_ends(channel: HostChannel, run_id: str, tell: Listener) -> dict[str, Any]:
    stage = None
    while True:
        found = Answer(channel.host, channel.call("status", run_ids=[run_id]).header).status_of(run_id) or {}
        if found.get("stage") != stage:
            stage = found.get("stage")
            tell.note(f"{channel.host}: {run_id}: {stage or found.get('state', 'gone')}")
        if not found or found["state"] in FINAL or found["state"] == "LOST":
            return found
        time.sleep(_ASK_EVERY_S)


def _how(status: dict[str, Any]) -> str:
    """How the run ended, in words."""
    reason = status.get("reason")
    return f"the run is {status.get('state', 'gone')}" + (f": {reason}" if reason else "")
