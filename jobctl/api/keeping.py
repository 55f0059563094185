"""One connection for several calls: `with api.keep_open(): api.submit(...); api.logs(...)`."""

from jobctl.remote.connect import keep_open

__all__ = ["keep_open"]
