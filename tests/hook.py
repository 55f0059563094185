"""A web address that is told of runs: a real server on this machine, which answers as it is asked to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0K3N-in-the-path"


@dataclass
class Hook:
    """What a server was told. `answers`: statuses, the last one for ever; "hang": it says nothing."""

    url: str = ""
    answers: list[int | str] = field(default_factory=lambda: [200])
    heard: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(*answers: int | str) -> Iterator[Hook]:
    hook = Hook(answers=list(answers) or [200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.paths.append(self.path)
            hook.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
            if answer == "hang":
                hook.over.wait(60)
                return
            self.send_response(int(answer))
            if answer in (301, 302):
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook.url = f"http://127.0.0.1:{server.server_port}/hooks/{SECRET}?key={SECRET}"
    try:
        yield hook
    finally:
        hook.over.set()
        server.shutdown()
        server.server_close()
