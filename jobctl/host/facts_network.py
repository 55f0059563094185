"""Facts for `jobctl doctor`: what this host can reach. The login's proxies are used, as pip and git use them."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional

from .files import Json
from .pip_words import hide_credentials
from .tool import ask

_TIMEOUT_S = 6.0
_AT_ONCE = 16
_SCP_LIKE = re.compile(r"(?:[^@/]+@)?(?P<host>[^:/]+):(?!//)")
_PORTS = {"ssh": 22, "git": 9418, "http": 80, "https": 443}
_PIP_CONFIG = ("global.index-url", "install.index-url")


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
        return dict(_head(url), kind=row["kind"], url=shown)
    match = _SCP_LIKE.match(url)
    host = found.hostname or (match.group("host") if match else None)
    if host is None:
        return {"kind": row["kind"], "url": shown, "status": None, "error": "not an address that is understood"}
    port = (found.port if found.hostname else None) or _PORTS.get(found.scheme, 22)
    return {"kind": row["kind"], "url": shown, "status": None, "error": _connect(host, port)}


def _pip_index() -> str:
    """Where pip installs from here when it is told nothing."""
    named = os.environ.get("PIP_INDEX_URL")
    for key in _PIP_CONFIG if not named else ():
        said = ask([sys.executable, "-m", "pip", "config", "get", key], _TIMEOUT_S)
        named = said.out.strip() if said.exit_code == 0 else named
    return named or "https://pypi.org/"


def _head(url: str) -> Json:
    """The status of a HEAD, after redirects. An error of the server is an answer all the same."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "jobctl-doctor"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return {"status": answer.status, "error": None}
    except urllib.error.HTTPError as error:
        error.close()
        return {"status": error.code, "error": None}
    except urllib.error.URLError as error:
        return {"status": None, "error": _words(error.reason)}
    except (OSError, http.client.HTTPException, ValueError) as error:
        return {"status": None, "error": _words(error)}


def _words(reason: Any) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "its certificate is not accepted: {}".format(reason.verify_message)
    if isinstance(reason, socket.timeout):
        return "no answer within {:g} s".format(_TIMEOUT_S)
    if isinstance(reason, socket.gaierror):
        return "its name is not known here"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__


def _connect(host: str, port: int) -> Optional[str]:
    """None, or why no connection can be made."""
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return _words(error)
    return None


def _peers(asked: Any) -> List[Json]:
    """Whether this host gets through to the others, at the port that they are known to listen on."""
    return _all(_peer, asked.wanted.get("peers") or [])


def _peer(row: Json) -> Json:
    return dict(row, error=_connect(row["address"], row["port"]))


PROBES: Dict[str, Any] = {"reach": _reach, "peers": _peers}
