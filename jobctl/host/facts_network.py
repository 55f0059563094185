"""Facts for `jobctl doctor`: what this host can reach. The login's proxies are used, as pip and git use them."""

from __future__ import annotations

import os
import re
import socket
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional

from .files import Json
from .pip_words import hide_credentials
from .socket_words import socket_words
from .tool import ask

_TIMEOUT_S = 6.0
_AT_ONCE = 16
_SCP_LIKE = re.compile(r"(?:[^@/]+@)?(?P<host>[^:/]+):(?!//)")
_PORTS = {"ssh": 22, "git": 9418, "http": 80, "https": 443}
_PIP_CONFIG = re.compile(r"^(?:global|install|:env:)\.index-url='([^']+)'", re.MULTILINE)


def _reach(asked: Any) -> List[Json]:
    """Each address that the job fetches from: an HTTP answer of any kind, or a connection, or why not."""
    return _all(_reached, asked.wanted.get("reach") or [])


def _all(question: Callable[[Any], Json], items: List[Any]) -> List[Json]:
    if not items:
        return []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(question, items))


def _reached(row: Json) -> Json:
    url = row["url"] if row["url"] is not None else _pip_index()
    shown = hide_credentials(url)
    if os.path.isabs(url) or url.startswith("file:"):
        path = urllib.parse.urlsplit(url).path
        error = None if os.path.exists(path) else "it is not on this host"
        return {"kind": row["kind"], "url": shown, "status": None, "error": error}
    found = urllib.parse.urlsplit(url)
    if found.scheme in ("http", "https"):
        from .web import head  # slow to import

        status, error = head(url, _TIMEOUT_S)
        return {"kind": row["kind"], "url": shown, "status": status, "error": error}
    match = _SCP_LIKE.match(url)
    host = found.hostname or (match.group("host") if match else None)
    if host is None:
        return {"kind": row["kind"], "url": shown, "status": None, "error": "not an address that is understood"}
    port = (found.port if found.hostname else None) or _PORTS.get(found.scheme, 22)
    return {"kind": row["kind"], "url": shown, "status": None, "error": _connect(host, port)}


def _pip_index() -> str:
    """Where pip installs from here when it is told nothing."""
    named = os.environ.get("PIP_INDEX_URL")
    if named:
        return named
    found = _PIP_CONFIG.findall(ask([sys.executable, "-m", "pip", "config", "list"], _TIMEOUT_S).out)
    return str(found[-1]) if found else "https://pypi.org/"


def _connect(host: str, port: int) -> Optional[str]:
    """None, or why no connection can be made."""
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return socket_words(error, _TIMEOUT_S)
    return None


def _peers(asked: Any) -> List[Json]:
    """Whether this host gets through to the others, at the port that they are known to listen on."""
    return _all(_peer, asked.wanted.get("peers") or [])


def _peer(row: Json) -> Json:
    return dict(row, error=_connect(row["address"], row["port"]))


PROBES: Dict[str, Any] = {"reach": _reach, "peers": _peers}
