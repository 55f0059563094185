"""The requests that a laptop can make: name -> what answers it."""

from __future__ import annotations

import importlib
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

from .relay import Relay
from .removal import transferring
from .server import Op, OpError, Request
from .trees import Trees


class _Late:
    """A module that is imported by its first use.

    A zipapp keeps no compiled code: all that answers requests took 0.19 s of computing to import, for each connection,
    the further ones of a transfer among them, which are asked one or two kinds of question.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module("." + self._name, __package__), attribute)


if TYPE_CHECKING:
    from . import bulk, card_report, control, deep, diagnosis, launch, logs, rank_logs, reading, results, resume, tidy
else:
    bulk, card_report, control, deep = _Late("bulk"), _Late("card_report"), _Late("control"), _Late("deep")
    diagnosis, launch, logs, rank_logs = _Late("diagnosis"), _Late("launch"), _Late("logs"), _Late("rank_logs")
    reading, results, resume, tidy = _Late("reading"), _Late("results"), _Late("resume"), _Late("tidy")


def make_ops(root: Path, trees: Trees) -> Dict[str, Op]:
    """All requests, for the work_dir `root`."""
    relay = Relay(trees)

    def of_run(request: Request) -> Path:
        return launch.run_dir_of(root, request.params["run_id"])

    return {
        "tree_offer": _transfer(root, trees.offer),
        "tree_send": _transfer(root, trees.send),
        "relay_receive": _transfer(root, relay.receive),
        "relay_pass": _transfer(root, relay.pass_on),
        "objects_missing": _transfer(root, lambda request: bulk.missing(request, trees.store)),
        "objects_put": _transfer(root, lambda request: bulk.put(request, trees.store)),
        "objects_finish": _transfer(root, lambda request: bulk.finish(request, trees.store)),
        "container_check": _container_check,
        "launch": _transfer(root, lambda request: launch.launch(request, root, trees)),
        "asked": _transfer(root, lambda request: _packages().asked(request, root)),
        "resolve": _transfer(root, lambda request: _packages().resolve(request, root)),
        "packages": lambda request: {"facts": _packages().facts(root, request.params["digests"])},
        "image_there": _image_there,
        "image_load": _transfer(root, lambda request: _image_load(request, trees)),
        "discard_stale": lambda request: {"run_ids": launch.discard_stale(root)},
        "runs": lambda request: {"runs": control.list_runs(root)},
        "status": lambda request: _statuses(request, root),
        "cancel": lambda request: control.cancel(root, _checked(request), float(request.params["grace_s"])),
        "resume_needs": lambda request: resume.needs(of_run(request)),
        "resume": lambda request: resume.answer(request, root, of_run(request)),
        "log": lambda request: logs.stream(request, of_run(request)),
        "rank_logs": lambda request: rank_logs.stream(request, of_run(request)),
        "diagnosis": lambda request: diagnosis.answer(request, of_run(request)),
        "cards": lambda request: card_report.answer(request),  # noqa: PLW0108  # late
        "artifacts": lambda request: results.listing(request, of_run(request)),
        "checkpoints": lambda request: results.checkpoints(of_run(request)),
        "read": lambda request: reading.read(request, of_run(request)),
        "pictures": lambda request: reading.pictures(request, of_run(request)),
        "fetch": lambda request: results.fetch(request, of_run(request)),
        "pulled": lambda request: results.note_pulled(request, of_run(request)),
        "gc": lambda request: tidy.gc(request, root),
        "facts": lambda request: _facts(request, root),
        "deep_seen": lambda request: deep.seen(of_run(request)),
        "deep_keep": lambda request: deep.keep(root, of_run(request), request.params["verdict"]),
        "command": _command,
        "ping": lambda request: {},
    }


def _transfer(root: Path, op: Op) -> Op:
    """`gc` takes nothing away that runs share while this goes on."""

    def answer(request: Request) -> Optional[Dict[str, Any]]:
        with transferring(root):
            return op(request)

    return answer


def _checked(request: Request) -> str:
    run_id: str = request.params["run_id"]
    launch.check_run_id(run_id)
    return run_id


def _statuses(request: Request, root: Path) -> Dict[str, Any]:
    """The status of several runs at once; None for one that is not here."""
    found = {}
    for run_id in request.params["run_ids"]:
        launch.check_run_id(run_id)
        run_dir = root / "runs" / run_id
        try:
            found[run_id] = control.status(run_dir) if run_dir.is_dir() else None
        except OpError as error:  # a damaged run hides no other
            found[run_id] = {"error": {"kind": error.kind, "message": error.message}}
    return {"statuses": found}


def _facts(request: Request, root: Path) -> Dict[str, Any]:
    received_at = time.time()
    from . import facts  # slow to import (ssl among it), seldom needed

    return facts.answer(received_at, str(root), request.params["wanted"])


def _packages() -> Any:
    from . import packages  # here, not above: most requests have nothing to do with pip

    return packages


def _image_there(request: Request) -> Dict[str, Any]:
    """Whether the engine has the job's image. Raises OpError "container"."""
    from . import engine

    try:
        name = engine.image_for_us(request.params["container"]["images"])
        return {"there": engine.find_image(request.params["container"]["engine"], name) is not None}
    except engine.EngineProblem as error:
        raise OpError("container", str(error), hint=error.hint) from error


def _image_load(request: Request, trees: Trees) -> Dict[str, Any]:
    """Give the engine the image in a tree of one file, a tar. Raises OpError "container"."""
    from . import engine

    try:
        engine.load_image(request.params["container"], trees.files(request.params["tree"])[0])
    except engine.EngineProblem as error:
        raise OpError("container", str(error), hint=error.hint) from error
    return {}


def _container_check(request: Request) -> Dict[str, Any]:
    """Whether containers can be made here; asked before anything is sent. Raises OpError "container"."""
    from . import engine  # here, not above: each laptop's channel loads us, most without containers

    try:
        engine.check(request.params["container"])
    except engine.EngineProblem as error:
        raise OpError("container", str(error), hint=error.hint) from error
    return {}


def _command(request: Request) -> Dict[str, Any]:
    """Run a short command, such as `git ls-remote`; its output as text."""
    try:
        done = subprocess.run(
            request.params["argv"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=float(request.params["timeout_s"]),
            env=dict(os.environ, **request.params.get("env", {})),
        )
    except subprocess.TimeoutExpired:
        text = "no answer after %s s: %s" % (request.params["timeout_s"], request.params["argv"][0])
        raise OpError("timeout", text) from None
    except FileNotFoundError:
        raise OpError("input", "the host has no %r" % request.params["argv"][0]) from None
    return {
        "exit_code": done.returncode,
        "stdout": done.stdout.decode("utf-8", "replace"),
        "stderr": done.stderr.decode("utf-8", "replace"),
    }
