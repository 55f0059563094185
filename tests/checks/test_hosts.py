"""Faults that need more than a line of shell: clocks, disks, limits, host keys, cards that others have."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl import api
from tests.chaos.training import HERE as CHAOS
from tests.checks.conftest import Look, checks_of, write_job
from tests.checks.house import House

pytestmark = pytest.mark.root
QUIET = {"install": [["--no-index"]]}


@pytest.fixture
def reset(fit_house: House) -> Iterator[House]:
    """The house, which is served as ever after the test."""
    yield fit_house
    fit_house.serve()


def home_and(house: House, **more: object) -> str:
    """A line of sshd_config: of several `SetEnv` only the first counts."""
    names = {"HOME": house.base / "sshd" / "home", **more}
    return "SetEnv " + " ".join(f'"{name}={value}"' for name, value in names.items())


def test_a_clock_that_is_an_hour_off_is_told_and_set(reset: House, look: Look) -> None:
    library, offset = reset.base / "clock.so", "/usr/local/share/clock-offset"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(CHAOS / "clock_shim.c")], check=True)
    reset.as_root(f"echo 3600 > {offset}; chmod 644 {offset}")
    reset.serve([home_and(reset, LD_PRELOAD=library, CLOCK_OFFSET=offset)])
    check = checks_of(look(**QUIET))["clock"]
    assert check.verdict == "failed"
    assert check.found.startswith("3600.") or check.found.startswith("3599.")
    assert "ahead of" in check.found
    assert reset.as_user(check.remedy).returncode == 0
    assert checks_of(look(**QUIET))["clock"].verdict == "ok"


@pytest.fixture
def small_work_dir(fit_house: House) -> Iterator[House]:
    """The work_dir is a file system of its own, which a test makes small."""
    work = fit_house.work_dir
    fit_house.as_root(f"mount -t tmpfs -o size=24m,mode=777 tmpfs {work}")
    yield fit_house
    fit_house.as_root(f"umount -l {work}")


def test_a_disk_that_is_full_is_told_and_what_fills_it(small_work_dir: House, look: Look) -> None:
    work = small_work_dir.work_dir
    assert checks_of(look(**QUIET))["disk"].verdict == "failed", "there is a program of ours, and little more room"
    small_work_dir.as_root(f"head -c 100m /dev/zero > {work}/somebody_elses || true")
    check = checks_of(look(**QUIET))["disk"]
    assert check.verdict == "failed"
    assert "could not be written: No space left on device" in check.found
    assert "24M" in small_work_dir.as_user(check.remedy).stdout
    small_work_dir.as_root(f"rm {work}/somebody_elses; mount -o remount,size=6g {work}")
    assert checks_of(look(**QUIET))["disk"].verdict == "ok"


def test_a_disk_without_room_for_the_host_program_is_a_row(small_work_dir: House, look: Look) -> None:
    small_work_dir.as_root(f"head -c 100m /dev/zero > {small_work_dir.work_dir}/somebody_elses || true")
    checks = checks_of(look(**QUIET))
    assert (checks["ssh"].verdict, checks["disk"].verdict, checks["clock"].verdict) == ("ok", "failed", "skipped")
    assert "no space left" in checks["disk"].found


def test_a_work_dir_of_somebody_else_is_a_row_and_its_remedy_helps(fit_house: House, look: Look) -> None:
    work = fit_house.work_dir
    fit_house.as_root(f"mount -t tmpfs -o mode=755 tmpfs {work}")
    try:
        check = checks_of(look(**QUIET))["disk"]
        assert check.verdict == "failed"
        assert "Permission denied" in check.found
        assert fit_house.as_user(check.remedy).returncode == 0
        assert checks_of(look(**QUIET))["disk"].verdict == "ok"
    finally:
        fit_house.as_root(f"umount -l {work}")


def test_a_disk_that_takes_no_more_files_is_told(small_work_dir: House, look: Look) -> None:
    work = small_work_dir.work_dir
    small_work_dir.as_root(f"mount -o remount,size=6g,nr_inodes=3000 {work}")
    check = checks_of(look(**QUIET))["inodes"]
    assert check.verdict == "failed"
    assert small_work_dir.as_user(check.remedy).returncode == 0
    small_work_dir.as_root(f"mount -o remount,nr_inodes=1m {work}")
    assert checks_of(look(**QUIET))["inodes"].verdict == "ok"


PAM = """\
auth required pam_permit.so
account required pam_permit.so
session required pam_limits.so
session required pam_env.so envfile=/etc/default/locale
"""


@pytest.fixture
def with_pam(reset: House) -> House:
    """Logins get their limits and locale as on Debian: from files, by PAM."""
    reset.as_root(f"printf %s {shlex.quote(PAM)} > /etc/pam.d/sshd; : > /etc/default/locale")
    reset.serve(["UsePAM yes"])
    return reset


@pytest.mark.parametrize(("name", "kind"), [("open_files", "nofile"), ("processes", "nproc")])
def test_a_limit_that_is_too_low_is_told_and_raised(with_pam: House, look: Look, name: str, kind: str) -> None:
    with_pam.as_root(f"echo 'alice - {kind} 200' > /etc/security/limits.d/10-site.conf")
    check = checks_of(look(**QUIET))[name]
    assert check.verdict == "failed"
    assert check.found.startswith("200 ")
    assert with_pam.as_user(check.remedy).returncode == 0
    again = checks_of(look(**QUIET))[name]
    with_pam.as_root("rm /etc/security/limits.d/*-site.conf /etc/security/limits.d/90-jobctl.conf")
    assert again.verdict == "ok", again


def test_a_locale_that_the_host_does_not_have_is_told_and_set(with_pam: House, look: Look) -> None:
    with_pam.as_root("echo LC_ALL=xx_YY.UTF-8 > /etc/default/locale")
    check = checks_of(look(**QUIET))["locale"]
    assert check.verdict == "warning"
    assert "LC_ALL=xx_YY.UTF-8: the host has no such locale" in check.found
    assert with_pam.as_user(check.remedy).returncode == 0
    assert checks_of(look(**QUIET))["locale"].verdict == "ok"


def test_a_host_without_the_python_of_the_inventory_is_a_row(fit_house: House, tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text(fit_house.inventory(python="/usr/bin/python9"))
    (examined,) = api.doctor(tmp_path / "inventory.yaml", config=write_job(tmp_path, **QUIET))
    checks = checks_of(examined)
    assert (checks["ssh"].verdict, checks["python"].verdict, checks["venv"].verdict) == ("ok", "failed", "skipped")
    assert checks["python"].remedy == "sudo apt-get install -y python3"


def test_a_host_whose_key_is_unknown_is_a_row_and_its_remedy_helps(fit_house: House, tmp_path: Path) -> None:
    assert fit_house.sshd is not None
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(fit_house.inventory(known_hosts=str(tmp_path / "known_hosts")))
    (examined,) = api.doctor(inventory, config=write_job(tmp_path, **QUIET))
    check = checks_of(examined)["ssh"]
    assert check.verdict == "failed"
    assert "is not known" in check.found
    assert check.remedy_is_here
    subprocess.run(check.remedy, shell=True, check=True, capture_output=True)
    (again,) = api.doctor(inventory, config=write_job(tmp_path, **QUIET))
    assert checks_of(again)["ssh"].verdict == "ok"


def test_a_host_that_is_gone_takes_no_other_with_it(fit_house: House, tmp_path: Path) -> None:
    hosts = json.loads(fit_house.inventory())["hosts"]
    hosts["gone"] = {"address": "127.0.0.1", "port": 1, "user": "alice"}
    (tmp_path / "inventory.yaml").write_text(json.dumps({"hosts": hosts}))
    config = write_job(tmp_path, **QUIET)
    done = jobctl(tmp_path, "doctor", "box", "gone", "-i", "inventory.yaml", "--config", config.name, "--json")
    assert done.returncode == 3
    found = {row["host"]: row["checks"] for row in json.loads(done.stdout)["data"]["hosts"]}
    assert {check["verdict"] for check in found["gone"]} == {"failed", "skipped"}
    peers = next(check for check in found["box"] if check["name"] == "peers")
    assert peers["verdict"] == "failed"
    assert "gone (127.0.0.1:1): Connection refused" in peers["found"]


def jobctl(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "jobctl", *args]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    return done


HOLDS = """\
version: 1
name: {{ name }}
device: npu
cards: 4
code: {path: code}
stages:
  - {name: train, steps: [{argv: [sleep, "600"]}]}
"""


def test_cards_that_a_run_has_are_told_with_the_run_and_are_free_after_the_remedy(
    fit_house: House, look: Look, tmp_path: Path
) -> None:
    fit_house.mend()
    write_job(tmp_path)
    folder = tmp_path / "templates"
    folder.unlink()
    (folder / "holds").mkdir(parents=True)
    (folder / "holds" / "job.yaml.j2").write_text(HOLDS)
    (folder / "holds" / "template.yaml").write_text("description: Holds the cards.\nvalues: {}\n")
    (tmp_path / "holds.yaml").write_text("template: holds\nname: holds\n")
    (tmp_path / "inventory.yaml").write_text(fit_house.inventory())
    done = jobctl(tmp_path, "submit", "holds.yaml", "-i", "inventory.yaml", "--no-wait")
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.strip()
    (examined,) = api.doctor(tmp_path / "inventory.yaml", config=tmp_path / "holds.yaml")
    check = checks_of(examined)["free_cards"]
    assert check.verdict == "warning"
    assert f"0 of 4 free; taken: 0 by {run_id}" in check.found
    assert check.remedy == f"jobctl cancel {run_id}"
    assert jobctl(tmp_path, *check.remedy.split()[1:]).returncode == 0
    (again,) = api.doctor(tmp_path / "inventory.yaml", config=tmp_path / "holds.yaml")
    assert checks_of(again)["free_cards"].verdict == "ok"


@pytest.fixture
def with_docker(fit_house: House) -> Iterator[House]:
    """The house has Docker's programs, and no engine runs yet."""
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        pytest.skip("there is no Docker Engine here: sudo apt-get install -y docker.io")
    fit_house.mend()
    yield fit_house
    fit_house.as_root("gpasswd -d alice docker || true; kill $(cat /run/docker-test/pid) || true")
    fit_house.as_root("while [ -e /run/docker-test/pid ]; do sleep 0.1; done")


def write_image(path: Path, name: str, arch: str) -> Path:
    """An archive as `docker save` writes it, of an image with one empty layer, for any processor."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    diff_id = "sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()
    config = {"architecture": arch, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    parts = {
        "layer.tar": layer.getvalue(),
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode(),
    }
    with tarfile.open(path, "w") as archive:
        for part, data in parts.items():
            info = tarfile.TarInfo(part)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_an_engine_is_started_and_opened_to_the_user_and_its_image_is_looked_at(
    with_docker: House, tmp_path: Path
) -> None:
    name = "jobctl-test/examined:1"
    machine = platform.machine()

    def look() -> dict[str, Any]:
        (tmp_path / "inventory.yaml").write_text(with_docker.inventory(runtime="docker"))
        config = write_job(tmp_path, image={machine: name}, **QUIET)
        (examined,) = api.doctor(tmp_path / "inventory.yaml", config=config)
        return checks_of(examined)

    def carry_out(check: Any) -> subprocess.CompletedProcess[str]:
        assert check.verdict in ("failed", "warning"), check
        return with_docker.as_user(check.remedy)

    silent = look()
    assert "its daemon does not answer" in silent["container"].found, silent["container"]
    assert silent["image"].verdict == "unknown"
    assert (done := carry_out(silent["container"])).returncode == 0, done
    closed = look()["container"]
    assert "permission denied" in closed.found, closed
    assert carry_out(closed).returncode == 0
    answering = look()
    assert answering["container"].verdict == "ok", answering["container"]
    assert carry_out(answering["image"]).stderr, "there is no registry to pull from"
    other = {"x86_64": "arm64", "aarch64": "amd64"}[machine]
    for platform_of, verdict in ((other, "failed"), ({"arm64": "amd64", "amd64": "arm64"}[other], "ok")):
        archive = write_image(with_docker.base / "image.tar", name, platform_of)
        with_docker.as_root(f"docker load < {archive}")
        assert (found := look()["image"]).verdict == verdict, found


def test_driver_files_that_a_container_needs_and_the_host_lacks_are_named(fit_house: House, tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text(fit_house.inventory(runtime="docker"))
    fit_house.as_root("mv /usr/local/bin/npu-smi /usr/local/bin/hidden")
    (examined,) = api.doctor(tmp_path / "inventory.yaml", config=write_job(tmp_path, **QUIET))
    check = checks_of(examined)["mounts"]
    assert (check.verdict, check.found) == ("failed", "not on this host: /usr/local/bin/npu-smi")
    assert "No such file" in fit_house.as_user(check.remedy).stderr
    fit_house.as_root("mv /usr/local/bin/hidden /usr/local/bin/npu-smi")
    (again,) = api.doctor(tmp_path / "inventory.yaml", config=write_job(tmp_path, **QUIET))
    assert checks_of(again)["mounts"].verdict == "ok"


def test_memory_that_may_not_be_locked_is_told_between_several_hosts(with_pam: House, tmp_path: Path) -> None:
    with_pam.as_root("echo 'alice - memlock 64' > /etc/security/limits.d/10-site.conf")
    may_raise = subprocess.run(["sh", "-c", "ulimit -l unlimited"], capture_output=True).returncode == 0
    hosts = json.loads(with_pam.inventory())["hosts"]
    (tmp_path / "inventory.yaml").write_text(json.dumps({"hosts": {**hosts, "twin": hosts["box"]}}))
    box, _ = api.doctor(tmp_path / "inventory.yaml", ["box", "twin"], config=write_job(tmp_path, **QUIET))
    check = checks_of(box)["locked_memory"]
    assert (check.verdict, check.found) == ("warning", "65.5 kB of memory may be locked")
    assert with_pam.as_user(check.remedy).returncode == 0
    box, _ = api.doctor(tmp_path / "inventory.yaml", ["box", "twin"], config=write_job(tmp_path, **QUIET))
    with_pam.as_root("rm /etc/security/limits.d/*-site.conf /etc/security/limits.d/90-jobctl.conf")
    again = checks_of(box)["locked_memory"]
    if may_raise:
        assert again.verdict == "ok", again
    else:  # the root of a container, as a rule
        assert again.found != check.found


def test_the_command_shows_what_is_wrong_and_counts_the_rest(fit_house: House, tmp_path: Path) -> None:
    fit_house.mend()
    (tmp_path / "inventory.yaml").write_text(fit_house.inventory())
    config = write_job(tmp_path, **QUIET)
    fit_house.as_root("rm -r /usr/local/Ascend/driver")
    done = jobctl(tmp_path, "doctor", "-i", "inventory.yaml", "box", "--config", config.name)
    assert done.returncode == 3
    first, *lines = done.stdout.splitlines()
    assert first.startswith("box: 1 failed, 2 unknown, ")
    assert lines[0].startswith("  failed   driver ")
    assert any("next, on box: sudo ./Ascend-hdk-910b-npu-driver_23.0.3_linux-" in line for line in lines)
    assert not [line for line in lines if line.startswith("  ok")]
    fit_house.mend()
    whole = jobctl(tmp_path, "doctor", "-i", "inventory.yaml", "--config", config.name, "--all")
    assert whole.returncode == 0, whole.stdout
    assert sum(line.startswith("  ok") for line in whole.stdout.splitlines()) > 20
