"""Login shells and SSH servers as they are found: each carries a whole run, from submit to pull."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest

from tests.chaos.sound import assert_sound
from tests.chaos.training import Site
from tests.sshd import running_sshd

SHORT = {"iters": 3}


def through(shell: str) -> list[str]:
    """The account's shell hands the line on to another, as sshd would have done."""
    if shutil.which(shell) is None:
        pytest.skip(f"this login shell is not installed: sudo apt-get install -y {shell}")
    return [f'ForceCommand exec {shell} -c "$SSH_ORIGINAL_COMMAND"']


@pytest.mark.parametrize("shell", ["fish", "csh"])
def test_a_login_shell_that_is_not_a_posix_shell(ssh_site: Site, tmp_path: Path, shell: str) -> None:
    whole_run(ssh_site, tmp_path, through(shell), "")


START_UP = {
    "prints a banner": "echo 'Welcome to lab-a!'; printf '\\033[1mquota\\033[0m'; echo warning >&2\n",
    "set -u": "set -u\n",
}


@pytest.mark.parametrize("name", START_UP)
def test_a_start_up_file(ssh_site: Site, tmp_path: Path, name: str) -> None:
    if Path(pwd.getpwuid(os.getuid()).pw_shell).name not in ("bash", "zsh"):
        pytest.skip("the account's login shell is neither bash nor zsh")
    whole_run(ssh_site, tmp_path, [], START_UP[name])


def test_a_server_with_one_session_and_two_startups(ssh_site: Site, tmp_path: Path) -> None:
    whole_run(ssh_site, tmp_path, ["MaxSessions 1", "MaxStartups 2"], "")


def whole_run(site: Site, tmp_path: Path, options: list[str], start_up: str) -> None:
    with running_sshd(tmp_path / "its own sshd", options) as sshd:
        for name in (".bashrc", ".zshenv"):
            (sshd.home / name).write_text(start_up)
        host = sshd.host()
        known_hosts, key = str(host.known_hosts), str(host.identity_file)
        site.change_host(port=sshd.port, known_hosts=known_hosts, identity_file=key)
        site.train(SHORT)
        run_id = site.submit()
        assert site.wait(run_id)["state"] == "SUCCEEDED"
        assert "[TRAIN]" in site.run("logs", run_id).out
        assert_sound(site, "SUCCEEDED", run_id)
