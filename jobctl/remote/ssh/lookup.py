"""What ~/.ssh/config says of an alias. `ssh -G` knows all of it (Include, Match); without ssh, paramiko's reader."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

from jobctl.errors import ConfigError
from jobctl.remote.ssh.config import Lookup, Options, Target

_DEFAULT_KEYS = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")


def make_lookup(ssh_config: str | None) -> Lookup:
    """The lookup for a configuration file (None: the user's and the system's, as ssh reads them)."""
    ssh = shutil.which("ssh")
    config_file = str(Path(ssh_config).expanduser()) if ssh_config and ssh_config != "none" else ssh_config
    if config_file and config_file != "none" and not Path(config_file).is_file():
        raise ConfigError("the ssh_config file is not there", value=config_file, hint="`ssh_config` of the inventory")
    if ssh is None:
        return lambda target: ask_paramiko(target, config_file)
    return lambda target: ask_openssh(target, config_file, ssh)


def ask_openssh(target: Target, config_file: str | None, ssh: str = "ssh") -> Options:
    """The options of `ssh -G`. Raises ConfigError with ssh's own words, which name file and line."""
    argv = [ssh, "-G", "-T"]
    argv += ["-F", config_file] if config_file else []
    argv += ["-l", target.user] if target.user else []
    argv += ["-p", str(target.port)] if target.port else []
    argv += ["--", target.host]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, encoding="utf-8", errors="surrogateescape"
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(
            "`ssh -G` did not answer within 30 s (a `Match exec` that hangs?)", value=target.host
        ) from None
    if done.returncode != 0:
        raise ConfigError(
            "ssh does not accept its configuration for this host",
            where=config_file or "~/.ssh/config",
            value=done.stderr.strip() or target.host,
            next_command=f"ssh -G {target.host!r}",
        )
    return parse_options(done.stdout)


def parse_options(text: str) -> Options:
    """The output of `ssh -G`: a keyword and its value a line, repeated keywords in order."""
    options: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        if value:
            options[keyword.lower()].append(value)
    return options


def ask_paramiko(target: Target, config_file: str | None) -> Options:
    """The same from paramiko's reader, for laptops without an ssh program. It knows Host, Match and most tokens."""
    import getpass
    import io

    import paramiko

    files = [config_file] if config_file else ["~/.ssh/config", "/etc/ssh/ssh_config"]
    config = paramiko.SSHConfig()
    for file in files:
        path = Path(file).expanduser()
        if file != "none" and path.is_file():
            try:
                config.parse(io.StringIO(path.read_text(encoding="utf-8", errors="surrogateescape")))
            except paramiko.ConfigParseError as error:
                raise ConfigError("the ssh configuration cannot be read", where=str(path), value=str(error)) from None
    found: dict[str, str | list[str]] = dict(config.lookup(target.host))
    options = {keyword: value if isinstance(value, list) else [value] for keyword, value in found.items()}
    options.setdefault("user", [getpass.getuser()])
    options.setdefault("identityfile", list(_DEFAULT_KEYS))
    options.setdefault("userknownhostsfile", ["~/.ssh/known_hosts ~/.ssh/known_hosts2"])
    options.setdefault("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"])
    return options
