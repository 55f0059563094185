"""A Python on a host that says what a test wants: imitates a broken, hostile or newer host program.

`python:` of the inventory names a copy of the script; it takes the bootstrap and the requests, and answers with the
lines of the test in place of the host program.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.e2e.lab import Lab

RUN_ID = "trial-20261123-abcd"

_SCRIPT = """#!{python}
import json, os, re, struct, sys, time
out = os.fdopen(1, "wb", 0)

def say(word, fields):
    out.write(b"\\n\\0JOBCTL " + json.dumps([word, fields]).encode() + b"\\n")

def frame(header, payload=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    out.write(struct.pack(">II", len(text), len(payload)) + text + payload)

def requests():
    source = sys.stdin.buffer
    source.read(int(re.search(r"read\\((\\d+)\\)", sys.argv[2]).group(1)))
    source.readline()
    while len(head := source.read(8)) == 8:
        header, payload = struct.unpack(">II", head)
        asked = json.loads(source.read(header))
        source.read(payload)
        if "op" in asked:
            yield asked

{lines}
"""

READY = 'say("ready", {})\n'


def answer_all(fields: str) -> str:
    """Lines that answer every request with these fields, an expression over `asked`."""
    return f'{READY}for asked in requests(): frame({{"id": asked["id"], **{fields}}})'


def give_host(lab: Lab, lines: str, host: str = "box") -> None:
    """Make a host of the inventory answer by `lines`."""
    path = lab.laptop / "speaking python"
    path.write_text(_SCRIPT.replace("{python}", sys.executable).replace("{lines}", lines), encoding="utf-8")
    path.chmod(0o755)
    inventory = json.loads(lab.inventory.read_text())
    inventory["hosts"][host]["python"] = str(path)
    lab.inventory.write_text(json.dumps(inventory))


def record_path(lab: Lab) -> Path:
    return lab.laptop / "records" / "runs" / f"{RUN_ID}.json"


def know_a_run(lab: Lab, **fields: object) -> None:
    """As if RUN_ID had been submitted to the host."""
    inventory = json.loads(lab.inventory.read_text())
    host = {"name": "box", "address": "box", **inventory["hosts"]["box"]}
    record = {"run_id": RUN_ID, "name": "trial", "host_name": "box", "host": host, "submitted_at": 1.0}
    record_path(lab).parent.mkdir(parents=True, exist_ok=True)
    record_path(lab).write_text(json.dumps({**record, "sent": True, "confirmed": True, **fields}))
