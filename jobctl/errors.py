"""Everything that can go wrong, in one tree. Every error says what, where, which value, and the next command.

JobctlError
├── JobFailed             exit 1   the job ran and did not succeed
├── InputError            exit 2   what the user wrote or typed
│   ├── ConfigError                a YAML file: file, line, field, value
│   ├── TemplateError              a template: file, line
│   │   └── RenderedJobError       it renders, but not to a job; carries the text that it renders to
│   └── CodeSourceError            a code source that is not there, or a git ref that is not in it
├── HostError             exit 3   a host, or the way to it
│   ├── ConnectError               no connection: name, refused, unreachable, timed out
│   ├── UnknownHostKey             never seen: refused, with the line that adds it
│   ├── ChangedHostKey             another key than the one recorded: refused
│   ├── AuthError                  password, key or passphrase not accepted
│   ├── ConnectionLost             it was there and is gone; the run on the host is not touched by it
│   ├── PythonMissing              no Python, or one older than 3.7
│   ├── NoSpace                    the host's disk or quota is full
│   ├── ContainerError             its container engine, or the job's image, is not to be had
│   ├── NoCardsFree                others have the cards, and the submit was not to wait for them
│   └── HostProgramError           the host program said no, or something that is not our protocol
├── TransferError         exit 4   bytes that did not arrive as they were sent
└── RunNotFound           exit 5   no such run, or more than one
"""

from __future__ import annotations


class JobctlError(Exception):
    """Base of all errors that jobctl raises on purpose.

    `what` is one sentence. `where` names the file and line, host or run. `value` is the offending value.
    `hint` explains. `next_command` is a command the user can copy.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        value: object = None,
        hint: str = "",
        next_command: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.value = value
        self.hint = hint
        self.next_command = next_command

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.value is not None:
            lines.append(f"  value: {self.value!r}")
        if self.hint:
            lines.append(f"  hint:  {self.hint}")
        if self.next_command:
            lines.append(f"  next:  {self.next_command}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """The error as `--json` prints it."""
        return {
            "kind": type(self).__name__,
            "what": self.what,
            "where": self.where or None,
            "value": None if self.value is None else str(self.value),
            "hint": self.hint or None,
            "next_command": self.next_command or None,
        }


class JobFailed(JobctlError):
    exit_code = 1


class InputError(JobctlError):
    exit_code = 2


class ConfigError(InputError):
    pass


class TemplateError(InputError):
    pass


class RenderedJobError(TemplateError):
    """`text` is the whole rendered text, so that `jobctl render` can show what is wrong in its place."""

    text = ""


class CodeSourceError(InputError):
    pass


class HostError(JobctlError):
    exit_code = 3


class ConnectError(HostError):
    pass


class UnknownHostKey(HostError):
    pass


class ChangedHostKey(HostError):
    pass


class AuthError(HostError):
    pass


class ConnectionLost(HostError):
    pass


class PythonMissing(HostError):
    pass


class NoSpace(HostError):
    pass


class ContainerError(HostError):
    pass


class NoCardsFree(HostError):
    pass


class HostProgramError(HostError):
    pass


class TransferError(JobctlError):
    exit_code = 4


class TreeGone(TransferError):
    """The host had a tree, and has lost of it: it can be sent again."""


class RunNotFound(JobctlError):
    exit_code = 5
