"""The way to the host goes: its SSH server is stopped, or every packet is swallowed and nobody is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.chaos.network import Network, network
from tests.chaos.sound import assert_sound
from tests.chaos.training import PATIENCE_S, Site, make_site
from tests.host.runs import wait_for
from tests.sshd import Sshd, running_sshd

LARGE = 40_000_000
TRAINING = {"iters": 150, "step_s": 0.01}


def test_sshd_is_stopped_and_started_during_submit(ssh_site: Site, chaos_sshd: Sshd) -> None:
    site = ssh_site
    add_code(site)
    site.train(TRAINING)
    with site.begun("submit", "config.yaml", "-i", "inventory.yaml") as submit:
        until_files(site.work_dir / "objects", submit)
        chaos_sshd.stop()
        submit.communicate(timeout=PATIENCE_S)
    chaos_sshd.start()
    run_id = site.submit()
    assert site.wait(run_id)["state"] == "SUCCEEDED"
    assert_sound(site, "SUCCEEDED", run_id)


def test_sshd_is_stopped_and_started_during_logs(ssh_site: Site, chaos_sshd: Sshd) -> None:
    site = ssh_site
    run_id = site.started({"iters": 300, "step_s": 0.01})
    with site.begun("logs", "-f", run_id) as logs:
        assert logs.stdout
        received = logs.stdout.readline()
        chaos_sshd.stop()
        told = site.laptop / "told by logs"
        wait_for(lambda: {"told": told.read_text()}, lambda found: "connecting again" in found["told"], PATIENCE_S)
        chaos_sshd.start()
        received += logs.stdout.read()  # not communicate: it passes over what readline has buffered
        assert logs.wait() == 0
    assert received == (site.run_dir(run_id) / "logs" / "train.log").read_text()
    assert_sound(site, "SUCCEEDED", run_id)


def test_sshd_is_stopped_and_started_during_pull(ssh_site: Site, chaos_sshd: Sshd) -> None:
    site = ssh_site
    run_id = ended_with_a_large_file(site)
    with site.begun("pull", run_id, "--to", f"pulled {run_id}") as pull:
        until_files(site.laptop / f"pulled {run_id}", pull)
        chaos_sshd.stop()
        chaos_sshd.start()
        pull.communicate(timeout=PATIENCE_S)
    assert_sound(site, "SUCCEEDED", run_id)


@pytest.mark.root
@pytest.mark.slow
def test_every_packet_is_swallowed_during_submit_logs_and_pull(tmp_path: Path) -> None:
    """All three at once, as each waits for half a minute until it gives its peer up."""
    with network() as between, running_sshd(tmp_path / "sshd", [f"ListenAddress {between.host}"]) as sshd:
        site = site_behind(between, sshd, tmp_path)
        large = ended_with_a_large_file(site)
        training = site.started({"iters": 300, "step_s": 0.01})
        add_code(site)
        site.train({"iters": 3})
        with (
            site.begun("submit", "config.yaml", "-i", "inventory.yaml") as submit,
            site.begun("pull", large, "--to", f"pulled {large}") as pull,
            site.begun("logs", "-f", training) as logs,
        ):
            assert logs.stdout
            received = logs.stdout.readline()
            between.swallow()
            submitted = submit.communicate(timeout=PATIENCE_S)[0]
            site.until(training, lambda found: found["state"] == "SUCCEEDED")
            between.heal()
            received += logs.stdout.read()
            pull.communicate(timeout=PATIENCE_S)
        assert received == (site.run_dir(training) / "logs" / "train.log").read_text()
        again = submitted.strip() or site.submit()
        assert site.wait(again)["state"] == "SUCCEEDED"
        assert_sound(site, "SUCCEEDED", large, training, again)


def site_behind(between: Network, sshd: Sshd, tmp_path: Path) -> Site:
    sshd.known_hosts.write_text(f"[{between.host}]:{sshd.port} {sshd.public_host_key}\n")
    work_dir = tmp_path / "work"
    made = make_site(tmp_path, sshd.inventory("box", work_dir=str(work_dir)), work_dir)
    made.change_host(address=between.host)
    made.before = ("ip", "netns", "exec", between.name)
    return made


def add_code(site: Site) -> None:
    """So much that it takes a while to send."""
    for number in range(200):
        (site.laptop / "code" / f"part {number}").write_bytes(os.urandom(LARGE // 200))


def ended_with_a_large_file(site: Site) -> str:
    site.train({"iters": 3})
    run_id = site.submit()
    assert site.wait(run_id)["state"] == "SUCCEEDED"
    (site.run_dir(run_id) / "output" / "large.bin").write_bytes(os.urandom(LARGE))
    return run_id


def until_files(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until some of the many files, or a part of a large one, have arrived below `folder`, or the command is over."""

    def seen() -> dict[str, object]:
        large = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > LARGE // 400]
        return {"files": len(large), "over": process.poll() is not None}

    wait_for(seen, lambda found: bool(found["over"] or found["files"]), PATIENCE_S)
