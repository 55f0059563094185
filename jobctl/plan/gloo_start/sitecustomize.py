"""Makes the start of four Paddle processes on CPUs reliable. Data of jobctl: put on PYTHONPATH, never imported by it.

Seen with paddlepaddle 3.0.0, 3.2.2 and 3.3.1: a world of four gloo ranks builds its full mesh of connections twice,
once in `init_parallel_env` and again for the first group of fleet, which has the same members. The second mesh fails in
about every second start: "Connection refused" (exit code 1), a gloo timeout after 30 s (exit code 241), or it hangs for
ever. So a group of the whole world is given the process group that the world has already.

It acts in nothing but a rank that Paddle's launcher started for gloo; in every other Python it is as if it were not
there. Python runs only the first `sitecustomize` it finds, so the one that this file hides is run at the end.
"""

import importlib.machinery
import importlib.util
import os
import sys

_TARGET = "paddle.distributed.collective"


def _is_gloo_rank():
    """Set by the launcher for its ranks only (3.3.1: launch/controllers/collective.py)."""
    return os.environ.get("PADDLE_DISTRI_BACKEND") == "gloo" and "PADDLE_TRAINER_ID" in os.environ


def _share_world_group(collective):
    """Wrap ProcessGroupGloo.create(store, rank, world_size, group_id) so that it makes the whole world once."""
    gloo = getattr(collective.core, "ProcessGroupGloo", None)
    if gloo is None:  # a Paddle without gloo
        return
    create = gloo.create
    world = (int(os.environ["PADDLE_TRAINER_ID"]), int(os.environ.get("PADDLE_TRAINERS_NUM", "1")))
    made = []

    def create_once(store, rank, world_size, *rest):
        if (rank, world_size) != world:  # smaller groups have other members: theirs to make
            return create(store, rank, world_size, *rest)
        if not made:
            made.append(create(store, rank, world_size, *rest))
        return made[0]

    gloo.create = create_once


class _Finder:
    """Lets the import system find the module as ever, and adds our step after it has run."""

    def find_spec(self, name, path=None, target=None):
        if name != _TARGET:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run_module = spec.loader.exec_module

            def run_and_share(module):
                run_module(module)
                _share_world_group(module)

            spec.loader.exec_module = run_and_share
        return spec


def _run_hidden_sitecustomize():
    here = os.path.dirname(os.path.realpath(__file__))
    elsewhere = [entry for entry in sys.path if os.path.realpath(entry) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


if _is_gloo_rank():
    sys.meta_path.insert(0, _Finder())
_run_hidden_sitecustomize()
