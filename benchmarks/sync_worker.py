"""jobctl's side of `benchmarks/sync.py`: a process of its own that keeps one connection open, as a ControlMaster does.

    python -m benchmarks.sync_worker INVENTORY HOST_NAME     (JOBCTL_HOME: where the cache of hashes is)

Each line of standard input is one transfer, `["code" or "data", FOLDER]`; it is answered by one line, what it took.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jobctl.api import prepare
from jobctl.laptop import places
from jobctl.laptop.data_source import make_data_tree
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.tree_source import TreeSource, make_working_tree
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect
from jobctl.remote.sync import send_tree


def main() -> None:
    """Until standard input ends."""
    with connect(prepare.load_host(*sys.argv[1:3])) as channel:
        print("ready", flush=True)
        for line in sys.stdin:
            kind, folder = json.loads(line)
            before = channel.round_trips
            sent = sync(channel, kind, Path(folder))
            print(json.dumps({"files": sent, "asked": channel.round_trips - before}), flush=True)


def sync(channel: HostChannel, kind: str, folder: Path) -> int:
    """What `jobctl submit` does about one tree, from reading it to the host's word that it has it; how many files."""
    cache = TreeCache(places.home() / "cache" / "trees")
    tree: TreeSource = make_data_tree(folder, cache) if kind == "data" else make_working_tree(folder, (), cache)
    sent = send_tree(channel, tree).files
    assert tree.commit or kind == "data"  # `git status` goes on meanwhile; `submit` needs it before it starts the run
    return sent


if __name__ == "__main__":
    main()
