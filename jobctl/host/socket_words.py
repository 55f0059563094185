"""Why a connection could not be made, in a few words."""

from __future__ import annotations

import socket


def socket_words(error: BaseException, timeout_s: float) -> str:
    """`timeout_s`: how long was waited for an answer."""
    if isinstance(error, socket.timeout):
        return "no answer within {:g} s".format(timeout_s)
    if isinstance(error, socket.gaierror):
        return "its name is not known here"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
