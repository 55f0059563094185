"""Who is told that a run is over."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from jobctl.spec.fields import EnvName, Filled, Misfit, Part, one_of


def check_webhook(url: str) -> str:
    """An http or https address that the host can post to. Raises Misfit, whose words do not hold the address."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Misfit("holds blanks or letters that no address has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Misfit("is not an http or https address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Misfit("is not an http or https address", hint="such as https://hooks.example.com/services/...")
    if "@" in parts.netloc:
        raise Misfit("contains a user name or password", hint="a token goes into its path or query")
    return url


class Notify(Part):
    """A web address that the host tells, by a POST of JSON, when the run is over."""

    model_config = one_of("webhook_env", "webhook")

    webhook_env: EnvName | None = Field(None, description="Variable on the laptop that holds the address.")
    webhook: Annotated[Filled, AfterValidator(check_webhook)] | None = Field(
        None, description="The address itself, http or https, where it is no secret."
    )

    @model_validator(mode="after")
    def _check(self) -> Notify:
        if (self.webhook_env is None) == (self.webhook is None):
            raise Misfit("exactly one of 'webhook_env' and 'webhook' must be given")
        return self
