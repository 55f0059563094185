"""From an inventory and ~/.ssh/config to the hops. Facts: ssh_config(5) and ssh.c of OpenSSH 9.2."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobctl.errors import ConfigError
from jobctl.remote.ssh import SshSettings
from jobctl.remote.ssh.config import Hop, Target, parse_target, resolve_hops
from jobctl.remote.ssh.lookup import ask_paramiko, make_lookup, parse_options

CONFIG = """
Host lab
  HostName 10.0.0.5
  Port 2200
  User alice
  ProxyJump bastion
  IdentityFile ~/keys/%r@%h
  UserKnownHostsFile "/known hosts/one" ~/two
  HostKeyAlias lab-key
  ConnectTimeout 7
  IdentitiesOnly yes
  IdentityAgent /run/agent
Host bastion
  HostName bastion.example.com
  User gate
  ProxyJump outer
Host outer
  ProxyJump none
Host far
  ProxyJump bastion,inner
Host inner
  ProxyJump never-used
Host circle-a
  ProxyJump circle-b
Host circle-b
  ProxyJump circle-a
Host piped
  ProxyCommand nc -x %% %h %p
Host *
  User someone
"""

LOOKUPS = ["openssh", "paramiko"]


def hops_of(tmp_path: Path, which: str, settings: SshSettings) -> tuple[Hop, ...]:
    file = tmp_path / "my config"
    file.write_text(CONFIG)
    if which == "paramiko":
        return resolve_hops(settings, lambda target: ask_paramiko(target, str(file)))
    assert shutil.which("ssh"), "sudo apt-get install -y openssh-client"
    return resolve_hops(settings, make_lookup(str(file)))


WAYS = [
    ({"address": "lab"}, ["someone@outer:22", "gate@bastion.example.com:22", "alice@10.0.0.5:2200"]),
    ({"address": "far"}, ["someone@outer:22", "gate@bastion.example.com:22", "someone@inner:22", "someone@far:22"]),
    ({"address": "lab", "user": "bob", "port": 22, "proxy_jump": "none"}, ["bob@10.0.0.5:22"]),
    ({"address": "lab", "proxy_jump": "me@[::1]:2201"}, ["me@[::1]:2201", "alice@10.0.0.5:2200"]),
    ({"address": "x", "proxy_jump": "ssh://a@b:33, outer"}, ["a@b:33", "someone@outer:22", "someone@x:22"]),
    ({"address": "::1"}, ["someone@[::1]:22"]),
]


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize(("fields", "way"), WAYS)
def test_the_hops_are_those_of_openssh(tmp_path: Path, lookup: str, fields: dict[str, object], way: list[str]) -> None:
    hops = hops_of(tmp_path, lookup, SshSettings("box", **fields))  # type: ignore[arg-type]
    assert [hop.label for hop in hops] == way


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_what_the_configuration_says_of_a_host_is_kept(tmp_path: Path, lookup: str) -> None:
    hop = hops_of(tmp_path, lookup, SshSettings("box", "lab"))[-1]
    assert hop.host_key_names == ("lab-key",)
    assert hop.identity_files == ("~/keys/alice@10.0.0.5",) or hop.identity_files[0].endswith("/keys/alice@10.0.0.5")
    assert hop.identities_only and hop.identity_agent == "/run/agent" and hop.connect_timeout_s == 7
    assert hop.proxy_command is None


def test_known_hosts_files_with_spaces_are_told_apart(tmp_path: Path) -> None:
    first, second = hops_of(tmp_path, "openssh", SshSettings("box", "lab"))[-1].known_hosts
    assert first == "/known hosts/one" and second.endswith("/two")


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_the_inventory_wins_over_the_configuration(tmp_path: Path, lookup: str) -> None:
    settings = SshSettings("box", "lab", identity_file="/my key", known_hosts="/mine", connect_timeout_s=3.5)
    jump, *_, hop = hops_of(tmp_path, lookup, settings)
    assert hop.identity_files[0] == "/my key" and hop.known_hosts == ("/mine",) and hop.connect_timeout_s == 3.5
    assert jump.identity_files[-1] == "/my key" and jump.known_hosts[0] == "/mine" and len(jump.known_hosts) > 1


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_a_proxy_command_is_the_users_own_line_with_its_tokens_filled_in(tmp_path: Path, lookup: str) -> None:
    (hop,) = hops_of(tmp_path, lookup, SshSettings("box", "piped"))
    assert hop.proxy_command == "nc -x % piped 22"
    (hop,) = hops_of(tmp_path, lookup, SshSettings("box", "piped", proxy_jump="none"))
    assert hop.proxy_command is None


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_jump_hosts_in_a_circle_are_named(tmp_path: Path, lookup: str) -> None:
    with pytest.raises(ConfigError, match="circle") as raised:
        hops_of(tmp_path, lookup, SshSettings("box", "circle-a"))
    assert "circle-b" in str(raised.value) and "ProxyJump none" in str(raised.value)


def test_a_broken_configuration_is_reported_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("Host x\n  Prot 22\n")
    with pytest.raises(ConfigError, match="line 2"):
        make_lookup(str(file))(Target("x"))


def test_a_configuration_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not there"):
        make_lookup(str(tmp_path / "config"))


TARGETS = [
    ("host", Target("host")),
    ("user@host", Target("host", "user")),
    ("user@name@host:22", Target("host", "user@name", 22)),
    ("[fe80::1%eth0]:2222", Target("fe80::1%eth0", None, 2222)),
    ("a@::1", Target("::1", "a")),
    ("ssh://a@host:22/", Target("host", "a", 22)),
]


@pytest.mark.parametrize(("text", "target"), TARGETS)
def test_a_jump_host_is_read_as_ssh_reads_it(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["", "host:99999", "host:", "-oProxyCommand=x", "a@", "host:port", "[::1"])
def test_what_is_no_jump_host_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="jump host"):
        parse_target(text)


def test_an_empty_jump_host_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a name"):
        hops_of(tmp_path, "openssh", SshSettings("box", "lab", proxy_jump="a,,b"))


def test_an_address_that_looks_like_an_option_does_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="invalid characters"):
        hops_of(tmp_path, "openssh", SshSettings("box", "-oProxyCommand=touch pwned"))


def test_the_output_of_ssh_G_is_read_in_order() -> None:
    options = parse_options("host a\nidentityfile ~/a b\nidentityfile x\nproxyusefdpass no\nempty\n")
    assert list(options["identityfile"]) == ["~/a b", "x"] and "empty" not in options
