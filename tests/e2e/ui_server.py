"""`jobctl ui` of a lab's laptop, and plain HTTP to it."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from tests.e2e.lab import Lab, killed_on_failure


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


@dataclass
class Server:
    """`address` as it was printed."""

    address: str
    process: subprocess.Popen[str]
    cookie: str = ""

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    @property
    def here(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> Answer:
        """With the cookie, if there is one; `headers` replace others of their name (empty: left out)."""
        with self.asking(method, path, headers) as answer:
            return Answer(answer.status, answer.headers, answer.read())

    @contextmanager
    def asking(
        self, method: str, path: str, headers: dict[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The same, of an answer that has no end."""
        given = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie, **(headers or {})}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.putrequest(method, path, skip_host=True)
            for name, value in given.items():
                if value:
                    connection.putheader(name, value.encode("utf-8"))
            connection.endheaders()
            with connection.getresponse() as answer:
                yield answer

    def enter(self) -> None:
        """As a browser that opens the printed address."""
        answer = self.ask("GET", self.address.removeprefix(self.here))
        assert answer.status == 200
        self.cookie = (answer.headers["set-cookie"] or "").partition(";")[0]


@contextmanager
def serving(lab: Lab, *args: str, browser: bool = False) -> Iterator[Server]:
    """Until Ctrl-C, which ends it well."""
    with (
        subprocess.Popen(
            lab.argv("ui", *args, *([] if browser else ["--no-open"])),
            cwd=lab.laptop,
            env=lab.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        killed_on_failure(process),
    ):
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise AssertionError(process.communicate()[1])
        yield Server(line, process)
        process.send_signal(2)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
        assert said.splitlines()[-1] == "ended; the runs go on"
