"""Which commit a host will clone, found out before the run is made: a ref that is missing is the user's error, now."""

from __future__ import annotations

import re

from jobctl.errors import CodeSourceError, HostProgramError
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.spec.job import Code

_TIMEOUT_S = 60
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


def resolve_on_host(channel: HostChannel, code: Code) -> str:
    """Asks the host's git. Raises CodeSourceError, or HostProgramError where the host cannot reach the repository."""
    source, ref = str(code.git), code.ref or "HEAD"
    if _COMMIT.match(ref):
        return ref
    argv = ["git", "-c", "credential.interactive=false", "ls-remote", "--", source, ref, f"{ref}^{{}}"]
    reply = channel.call("command", argv=argv, timeout_s=_TIMEOUT_S, env={"GIT_TERMINAL_PROMPT": "0"})
    answer = Answer(channel.host, reply.header)
    if answer.integer("exit_code") != 0:
        raise HostProgramError(
            "the host cannot read the git repository",
            where=f"{channel.host}: {source}",
            value=answer.text("stderr").strip()[-300:],
            hint="a host without internet gets the code from the laptop: `fetch: laptop`",
        )
    commit = choose_commit(answer.text("stdout"), ref)
    if commit is None:
        raise CodeSourceError(
            "the git repository has no such ref", where=source, value=ref, next_command=f"git ls-remote {source}"
        )
    return commit


def choose_commit(ls_remote: str, ref: str) -> str | None:
    """From the output of `git ls-remote`.

    An annotated tag's commit (`^{}`), then the branch, then the tag of that name.
    """
    pairs = (line.split("\t", 1) for line in ls_remote.splitlines() if "\t" in line)
    rows = {name: commit for commit, name in pairs}
    for name in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}"):
        if name in rows:
            return rows[name]
    return None
