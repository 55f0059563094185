"""Whether an HTTP server answers. With the proxies of the login, as pip and git use them."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from typing import Any, Optional, Tuple

from .socket_words import socket_words


def head(url: str, timeout_s: float) -> Tuple[Optional[int], Optional[str]]:
    """The status of a HEAD after redirects, or why there is none. An error of the server is an answer all the same."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "jobctl-doctor"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return answer.status, None
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, None
    except urllib.error.URLError as error:
        return None, _words(error.reason, timeout_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return None, _words(error, timeout_s)


def _words(reason: Any, timeout_s: float) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "its certificate is not accepted: {}".format(reason.verify_message)
    return socket_words(reason, timeout_s) if isinstance(reason, BaseException) else str(reason)
