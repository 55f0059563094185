"""A file that a job fetches from the internet, and what no address in a job may hold."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from jobctl.spec.fields import Filled, Misfit, Part


def check_no_credentials(text: str) -> str:
    """Law: secrets are never in argv, and what is in a job is written to `job.json`."""
    if re.search(r"https?://[^/\s?#]*@", text):
        raise Misfit(
            "contains a user name or password, which would end up in the run's files",
            hint="use a credential helper or ~/.netrc where it is fetched, or name a variable under 'secrets'",
        )
    return text


def _check_url(text: str) -> str:
    if not re.match(r"https?://[^/\s]+/\S*\Z", text):
        raise Misfit("is not an http or https address")
    return text


def _check_sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise Misfit("is not a SHA-256: 64 hexadecimal digits")
    return text.lower()


class Download(Part):
    """A file that a stage downloads; `jobctl bundle` takes it along."""

    url: Annotated[Filled, AfterValidator(check_no_credentials), AfterValidator(_check_url)] = Field(
        description="Address, http or https."
    )
    sha256: Annotated[str, AfterValidator(_check_sha256)] | None = Field(None, description="Of the file, in hex.")
