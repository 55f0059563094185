"""Entry points of the host program: `jobctl-host-<hash>.pyz COMMAND ...`.

channel ROOT            answer a laptop over standard input and output (the bootstrap calls `serve` in-process)
supervise RUN_DIR       run the stages of a run, until they end
boot ROOT               resume the runs that a restart of the host has ended (a line in the user's crontab)
environment RUN_DIR     build or find the run's venv (the builtin step "@host environment")
resolve FOLDER          which versions pip would install (the request "resolve")
code RUN_DIR            clone the run's code (the builtin step "@host code")
webhook RUN_DIR         tell the run's web address that it is over
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO, List

_SETTLE_S = 600.0  # a disk that has not written everything down by then has other worries


def serve(root: str, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer the laptop until it goes. `sink` is ours alone: nothing else may print into the channel."""
    from .ops import make_ops
    from .server import Server
    from .trees import Trees

    trees = Trees(Path(root))
    Server(source, sink, make_ops(Path(root), trees)).serve()
    trees.store.wait_settled(_SETTLE_S)


def main(argv: List[str]) -> int:
    """Carry out one COMMAND; returns the exit code."""
    command, rest = argv[0], argv[1:]
    if command == "channel":
        serve(os.path.expanduser(rest[0]), sys.stdin.buffer, sys.stdout.buffer)
        return 0
    if command == "boot":
        from . import boot

        return boot.boot(Path(rest[0]))
    if command == "resolve":
        from . import resolving

        return resolving.main(Path(rest[0]))
    run_dir = Path(rest[0])
    root = run_dir.parent.parent
    if command == "supervise":
        from .supervisor import supervise

        return supervise(root, run_dir)
    if command == "environment":
        from . import environment

        return environment.main(root, run_dir)
    if command == "code":
        from . import code

        return code.main(root, run_dir)
    if command == "webhook":
        from . import webhook

        return webhook.main(run_dir)
    print("jobctl host program: unknown command %r" % command, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
