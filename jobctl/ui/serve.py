"""The server: one socket on 127.0.0.1, from the printed address to Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from jobctl import api
from jobctl.errors import InputError
from jobctl.ui.app import Site
from jobctl.ui.guard import Guard, Tokens
from jobctl.ui.hub import Hub


class _Server(uvicorn.Server):
    """Ends the event streams when it ends; they would go on for ever."""

    def __init__(self, config: uvicorn.Config, site: Site) -> None:
        super().__init__(config)
        self._site = site

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._site.end_feeds()
        await super().shutdown(sockets)


def serve(inventory: str | None, port: int, ready: Callable[[str, str], None]) -> None:
    """Serve until Ctrl-C. `ready` is told two addresses: one to print, and one that opens the page a single time.

    Pulled runs go to `results` in the working directory. Raises InputError: a port that is taken, a bad inventory.
    """
    if inventory is not None:
        api.host_names(inventory)
    with _listening(port) as listening:
        port = listening.getsockname()[1]
        tokens = Tokens()
        hub = Hub(inventory, Path("results").absolute())
        site = Site(hub)
        config = uvicorn.Config(
            Guard(site.make_app(), tokens, port),
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
            loop="asyncio",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        here = f"http://127.0.0.1:{port}/?token="
        ready(here + tokens.printed, here + tokens.once)
        try:
            _Server(config, site).run(sockets=[listening])
        finally:
            hub.close()


def _listening(port: int) -> socket.socket:
    """Loopback, and nothing else. Listens already: a browser that is faster than the server waits."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise InputError(
            f"cannot listen on this port: {error.strerror}",
            where="127.0.0.1",
            value=port,
            hint="without --port a free one is taken",
            next_command="jobctl ui",
        ) from None
    listening.listen(128)
    return listening
