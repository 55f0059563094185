"""Who we are: identity files, the agent, passwords. What was tried is kept in words; what was typed is not kept."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import paramiko

from jobctl.errors import AuthError
from jobctl.remote.ssh.config import Hop
from jobctl.remote.ssh.failures import make_ssh_command
from jobctl.remote.ssh.keys import LockedKey, agent_keys, load_key, needs_passphrase, read_public_blob
from jobctl.remote.ssh.session import Session
from jobctl.remote.ssh.settings import Prompts, SshSettings

_PASSWORD_TRIES = 3
_PERSON_S = 120.0
"""For somebody who looks for a one-time code: sshd's LoginGraceTime."""


@dataclass(frozen=True)
class Credentials:
    """Where secrets come from; never the secrets themselves."""

    identity_file: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    passphrase_env: str | None = None
    prompts: Prompts | None = None

    @classmethod
    def of(cls, settings: SshSettings, prompts: Prompts | None, *, last_hop: bool) -> Credentials:
        """A jump host is never given the password of the host behind it."""
        if not last_hop:
            return cls(passphrase_env=settings.passphrase_env, prompts=prompts)
        return cls(
            settings.identity_file, settings.password_env, settings.password_file, settings.passphrase_env, prompts
        )


@dataclass(frozen=True)
class Way:
    """How a hop let us in, where that can be done again without a secret: by a file that opens, an agent, or nothing.

    `agent_key`: the public key that the agent answered for, as a line of a .pub file.
    """

    identity_file: Path | None = None
    agent_key: str | None = None


@dataclass(frozen=True)
class _Attempt:
    method: str
    label: str
    go: Callable[[], list[str]]
    """Returns the methods that are still asked for: none of them, we are in. Raises AuthenticationException."""
    way: Way | None = None
    is_typed: bool = False


class Login:
    """paramiko's auth strategy for one hop. `started` tells that the host key was accepted; `way`, `was_typed`: how it
    ended, None and True where a secret was needed, and where somebody typed it.
    """

    def __init__(self, hop: Hop, credentials: Credentials) -> None:
        self._hop = hop
        self._from = credentials
        self._tried: list[str] = []
        self._offered: list[str] = []
        self._factors = 0
        self.started = False
        self.way: Way | None = None
        self.was_typed = False

    def authenticate(self, transport: Session) -> None:
        """Raises AuthError when nothing was accepted, which names the ways tried and the ways offered."""
        self.started = True
        transport.auth_timeout = _PERSON_S if self._from.prompts else self._hop.connect_timeout_s
        with agent_keys(self._hop.identity_agent) as held:
            for attempt in self._attempts(transport, held):
                if self._offered and attempt.method not in [*self._offered, "none"]:
                    continue
                more = self._try(attempt)
                if more == []:
                    return
                if more:
                    self._offered = more
                if not transport.is_active():
                    self._tried.append("then the host hung up (MaxAuthTries)")
                    break
        raise self._refused()

    def _try(self, attempt: _Attempt) -> list[str] | None:
        """What is still asked for after it; None when it was not accepted."""
        try:
            more = attempt.go()
        except paramiko.BadAuthenticationType as error:
            self._offered = list(error.allowed_types)
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error):  # it has no class of its own
                raise paramiko.SSHException("the login was not answered") from None
        else:
            self._factors += 1
            self.way = attempt.way if self._factors == 1 else None
            self.was_typed = self.was_typed or attempt.is_typed
            self._tried += [f"{attempt.label} (accepted, but not enough)"] if more else []
            return list(more)
        if attempt.method != "none":
            self._tried.append(attempt.label)
        return None

    def _attempts(self, transport: Session, held: tuple[paramiko.PKey, ...]) -> Iterator[_Attempt]:
        """One after the other, each made only when those before it failed."""
        user = self._hop.user
        files = [Path(file).expanduser() for file in dict.fromkeys(self._hop.identity_files)]
        blobs = {file: read_public_blob(file) for file in files}
        locked: list[Path] = []
        shown: set[bytes] = set()
        for file, key in self._open_files(files, locked):
            shown.add(key.asbytes())
            way = None if needs_passphrase(file) else Way(identity_file=file)
            yield _Attempt("publickey", str(file), partial(transport.auth_publickey, user, key), way)
        for key in sorted(held, key=lambda key: key.asbytes() not in blobs.values()):
            if key.asbytes() in shown or (self._hop.identities_only and key.asbytes() not in blobs.values()):
                continue
            shown.add(key.asbytes())
            label = f"agent key {key.get_name()} {getattr(key, 'comment', '')}".rstrip()
            way = Way(agent_key=f"{key.get_name()} {base64.b64encode(key.asbytes()).decode()}")
            yield _Attempt("publickey", label, partial(transport.auth_publickey, user, key), way)
        if not self._offered:
            yield _Attempt("none", "no authentication", partial(transport.auth_none, user), Way())
        for file in locked:
            if "publickey" in self._offered and blobs[file] not in shown and (key_asked := self._ask_key(file)):
                ask = partial(transport.auth_publickey, user, key_asked)
                yield _Attempt("publickey", str(file), ask, is_typed=True)
        yield from self._password_attempts(transport)

    def _open_files(self, files: list[Path], locked: list[Path]) -> Iterator[tuple[Path, paramiko.PKey]]:
        """The identity files that open without asking anybody; the others go to `locked`, or into the report."""
        passphrase = os.environ.get(self._from.passphrase_env) if self._from.passphrase_env else None
        for file in files:
            try:
                yield file, load_key(file, passphrase)
            except LockedKey as error:
                locked.append(file)
                self._tried.append(f"{file} ({error})")
            except FileNotFoundError:
                if self._from.identity_file and file == Path(self._from.identity_file).expanduser():
                    self._tried.append(f"{file} (there is no such file)")
            except (OSError, paramiko.SSHException) as error:
                self._tried.append(f"{file} ({getattr(error, 'strerror', None) or error})")

    def _ask_key(self, file: Path) -> paramiko.PKey | None:
        for _ in range(_PASSWORD_TRIES):
            answer = self._ask(f"passphrase for {file}: ")
            if not answer:
                return None
            try:
                return load_key(file, answer)
            except LockedKey:
                continue
        return None

    def _password_attempts(self, transport: Session) -> Iterator[_Attempt]:
        user = self._hop.user
        if "password" not in self._offered and "keyboard-interactive" not in self._offered:
            return
        for label, password, typed in self._passwords():
            if "password" in self._offered:
                yield _Attempt("password", label, partial(transport.auth_password, user, password), is_typed=typed)
            elif "keyboard-interactive" in self._offered:  # it may ask for a one-time code as well
                ask = partial(transport.auth_interactive, user, partial(self._answer, password))
                yield _Attempt("keyboard-interactive", label, ask, is_typed=True)

    def _passwords(self) -> Iterator[tuple[str, str, bool]]:
        """(what it is called, the password, whether somebody typed it)."""
        if variable := self._from.password_env:
            if password := os.environ.get(variable):
                yield f"the password in ${variable}", password, False
            else:
                self._tried.append(f"the password in ${variable} (it is not set)")
        if file := self._from.password_file:
            try:
                password = Path(file).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
                yield f"the password in {file}", password, False
            except (OSError, UnicodeDecodeError) as error:
                self._tried.append(f"the password in {file} ({getattr(error, 'strerror', None) or 'not text'})")
        for _ in range(_PASSWORD_TRIES):
            typed = self._ask(f"password for {self._hop.label}: ")
            if typed is None:
                return
            yield "the password typed", typed, True

    def _answer(self, password: str, _title: str, _text: str, questions: list[tuple[str, bool]]) -> list[str]:
        """keyboard-interactive: the password to the one silent question; anything else is put to the person."""
        if len(questions) == 1 and not questions[0][1] and "code" not in questions[0][0].lower():
            return [password]
        return [self._ask(question) or "" for question, _ in questions]

    def _ask(self, question: str) -> str | None:
        return self._from.prompts.ask_secret(question) if self._from.prompts else None

    def _refused(self) -> AuthError:
        has_password = self._from.password_env or self._from.password_file or self._from.prompts
        hint = f"tried: {'; '.join(self._tried) or 'nothing, no key was found'}"
        if {"password", "keyboard-interactive"} & set(self._offered) and not has_password:
            hint += ". It also takes a password: name it with `password_env` in the inventory, or run on a terminal"
        return AuthError(
            f"{self._hop.label} did not let us in",
            where=self._hop.name,
            value=f"it accepts: {', '.join(self._offered) or 'unknown'}",
            hint=hint,
            next_command=make_ssh_command(self._hop),
        )
