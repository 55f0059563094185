"""Who may ask: the browser that was given the token, about this very address, and no page of another site.

A page of any site can make a browser send requests to 127.0.0.1; so each must carry a cookie that only the printed
address hands out (HttpOnly, SameSite=Strict), name this server in `Host` (a name that is bound anew to 127.0.0.1, DNS
rebinding, does not), and come from a page of this server (`Origin`, `Sec-Fetch-Site`).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

HEADER = "x-jobctl"
"""A form of another site cannot set it, nor can its script without being asked for CORS, which is never given."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_REFUSED = "403: {}\n\nOpen the address that `jobctl ui` has printed.\n"

# Not a redirect: a SameSite=Strict cookie goes with a navigation that a page of this site begins, also where the
# address was clicked in a page of another, such as a terminal in the browser.
_ENTER = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/"><title>jobctl</title>\n'


class Tokens:
    """The words of one server. `printed` stands in the printed address, `once` in the one that a browser is started
    with, which other users of the machine may see among the processes: it opens the door a single time."""

    def __init__(self) -> None:
        self.printed, self.once, self._cookie = (secrets.token_urlsafe(32) for _ in range(3))

    def exchange(self, word: str) -> str | None:
        """The cookie's value for a word of an address; None: it is none."""
        printed = _same(word, self.printed)
        once = _same(word, self.once)
        if once:
            self.once = secrets.token_urlsafe(32)
        return self._cookie if printed or once else None

    def is_cookie(self, word: str) -> bool:
        return _same(word, self._cookie)


class Guard:
    """Lets a request pass to `app`, or answers 403."""

    def __init__(self, app: ASGIApp, tokens: Tokens, port: int) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._cookie = f"jobctl-ui-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a websocket, which nothing here speaks
            return
        answer = self._refusal(scope)
        if answer is None:
            await self._app(scope, receive, _with_headers(send))
        else:
            await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered in place of the app; None: the request may pass."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _refused("this server goes by 127.0.0.1 and localhost only")
        if scope["method"] == "GET" and scope["path"] == "/" and scope["query_string"].startswith(b"token="):
            return self._enter(scope["query_string"].partition(b"=")[2].decode("latin-1"))
        if not self._is_known(headers):
            return _refused("no token")
        if why := _cross_site(scope["method"], headers, f"http://{hosts[0]}"):
            return _refused(why)
        return None

    def _enter(self, word: str) -> Response:
        cookie = self._tokens.exchange(word)
        if cookie is None:
            return _refused("this token is not that of this server, or was used before")
        answer = HTMLResponse(_ENTER)
        answer.set_cookie(self._cookie, cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _is_known(self, headers: Headers) -> bool:
        try:
            cookies: Mapping[str, object] = SimpleCookie("; ".join(headers.getlist("cookie")))
        except CookieError:
            return False
        word = getattr(cookies.get(self._cookie), "value", "")
        return self._tokens.is_cookie(word)


def _cross_site(method: str, headers: Headers, here: str) -> str:
    """Why a request is not one of our own page; empty where it is."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin not in (None, here) or site not in (None, "same-origin", "none"):
        return "another site asks"
    if method != "GET" and method != "HEAD" and (origin != here or HEADER not in headers):
        return "not from the page"
    return ""


def _refused(why: str) -> Response:
    return PlainTextResponse(_REFUSED.format(why), status_code=403)


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _with_headers(send: Send) -> Send:
    async def sending(message: dict) -> None:  # type: ignore[type-arg]
        if message["type"] == "http.response.start":
            have = {name.lower() for name, _ in message["headers"]}
            more = [(name.encode(), value.encode()) for name, value in _ALWAYS.items() if name.encode() not in have]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending  # type: ignore[return-value]
