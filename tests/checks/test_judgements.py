"""What the checks say of facts, as data: every case is a host, or a part of one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from jobctl.checks.clock import clock_offset
from jobctl.checks.model import Facts, Wanted
from jobctl.checks.run import CHECKS, make_checks
from tests.checks.conftest import load_cases

VERSIONS, CARD_NETWORK = load_cases("versions.yaml"), load_cases("card_network.yaml")
DRIVER, FIRMWARE = "/usr/local/Ascend/driver/version.info", "/usr/local/Ascend/firmware/version.info"


def checked(wanted: Wanted, **probes: Any) -> Mapping[str, Any]:
    """The checks of a host of which this is known; the rest the host could not tell."""
    facts = Facts({name: {"value": value} for name, value in probes.items()})
    return {check.name: check for check in make_checks(facts, wanted)}


def wanted(**job: Any) -> Wanted:
    fields = {"device": "npu", "cards": 4, "image": {}, "on_boot": None, "stages": (), **job}
    fields["environment"] = SimpleNamespace(install=fields.pop("install", ()))
    made: Any = SimpleNamespace(**fields)
    return Wanted("lab-a", job=made, config="conf.yaml", cards=fields["cards"])


@pytest.mark.parametrize("name", VERSIONS)
def test_versions_are_judged_by_what_is_published(name: str) -> None:
    case = VERSIONS[name]
    driver = {"path": DRIVER, "text": case["driver"], "firmware_path": FIRMWARE, "firmware": case.get("firmware")}
    files = [{"path": "a file", "text": case["cann"]}] if "cann" in case else []
    known: dict[str, Any] = {"driver": driver, "cann": {"places": ["a place"], "files": files}}
    checks = checked(wanted(), machine={"arch": "aarch64"}, **known)
    assert {check: checks[check].verdict for check in case["verdicts"]} == case["verdicts"]


@pytest.mark.parametrize("several", [False, True], ids=["one host", "several hosts"])
@pytest.mark.parametrize("name", CARD_NETWORK)
def test_what_hccn_tool_says_is_judged(name: str, several: bool) -> None:
    case = CARD_NETWORK[name]
    asked = Wanted("lab-a", job=wanted().job, several_hosts=several)
    check = checked(asked, hccn={"tool": "/usr/bin/hccn_tool", "cards": case["cards"]})["card_network"]
    verdict = case["several" if several else "one"]
    assert check.verdict == verdict, check
    assert verdict == "ok" or case.get("found", "") in check.found


def test_what_a_host_cannot_tell_is_unknown_with_the_reason_and_nothing_else() -> None:
    facts = Facts({name: {"unknown": f"{name} hangs"} for name in ("python", "cards", "reach")})
    checks = {check.name: check for check in make_checks(facts, wanted())}
    assert {check.verdict for check in checks.values()} <= {"unknown", "skipped", "ok"}
    assert checks["cards"].found == "cards hangs"
    assert checks["disk"].found == "the host did not say"


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, {"text": 5}, [[1]], {"held": 3, "ids": [None]}], ids=str)
def test_a_host_that_answers_nonsense_makes_unknown_and_no_crash(value: Any) -> None:
    names = "python venv work_dir home tmp locale limits shm lease_dir ports crontab machine container driver cann"
    probes = {name: {"value": value} for name in f"{names} set_env devices cards hccn reach peers user".split()}
    checks = make_checks(Facts(probes), wanted(on_boot="resume"))
    assert [check.name for check in checks] == list(CHECKS)
    assert make_checks(Facts(dict.fromkeys(probes, value)), wanted())


def test_a_job_on_cpus_needs_nothing_of_ascend() -> None:
    checks = checked(wanted(device="cpu"), driver={"text": None})
    assert {checks[name].verdict for name in ("driver", "cann", "devices", "cards", "set_env")} == {"skipped"}


def test_without_a_config_a_host_without_ascend_is_told_of_once() -> None:
    none = {"npu_smi": False, "ids": []}
    checks = checked(Wanted("lab-a"), driver={"text": None}, cards=none, devices={})
    assert (checks["cards"].verdict, checks["driver"].verdict, checks["free_cards"].verdict) == (
        "warning",
        "skipped",
        "skipped",
    )


ENGINE: dict[str, Any] = {
    "engine": "docker",
    "there": True,
    "version": "20.10",
    "error": None,
    "runtimes": ["ascend"],
    "mounts": {},
    "image": None,
}
IMAGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "not there": ({"image": None}, "warning", "docker pull 'an image'"),
    "of another machine": (
        {"image": {"error": "is for arm64"}},
        "failed",
        "docker pull --platform linux/amd64 'an image'",
    ),
    "there": ({"image": {"error": None}}, "ok", ""),
    "nobody knows": ({"image": None, "error": "no answer"}, "unknown", ""),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_judged(name: str) -> None:
    known, verdict, remedy = IMAGES[name]
    engine = {**ENGINE, **known}
    job = wanted(image={"x86_64": "an image"}).job
    checks = checked(Wanted("lab-b", "docker", job=job), container=engine, machine={"arch": "x86_64"})
    assert (checks["image"].verdict, checks["image"].remedy) == (verdict, remedy)
    assert checks["cann"].verdict == "skipped"


def test_a_job_without_an_image_for_the_hosts_processor_fails() -> None:
    job = wanted(image={"x86_64": "an image"}).job
    check = checked(Wanted("lab-b", "docker", job=job, config="conf.yaml"), machine={"arch": "aarch64"})["architecture"]
    assert (check.verdict, check.found) == ("failed", "aarch64; the job has images for: x86_64")


ENGINES = {
    "": ("ok", ""),
    "there is no docker on this host": ("failed", "sudo apt-get install -y docker.io"),
    "docker may not be used by alice: permission denied at its socket": ("failed", "sudo usermod -aG docker alice"),
    "docker is installed, and its daemon does not answer": ("failed", "sudo systemctl start docker"),
}


@pytest.mark.parametrize("error", ENGINES)
def test_engines_are_judged_by_what_they_say(error: str) -> None:
    engine = {**ENGINE, "there": "there is no" not in error, "error": error or None}
    user = {"name": "alice", "uid": 1000}
    check = checked(Wanted("lab-b", "docker"), container=engine, user=user)["container"]
    assert (check.verdict, check.remedy) == ENGINES[error]


def test_driver_files_that_a_container_lacks_are_named() -> None:
    mounts = {"/usr/local/Ascend/driver": True, "/usr/local/bin/npu-smi": False}
    engine = {**ENGINE, "mounts": mounts}
    check = checked(Wanted("lab-b", "docker"), container=engine)["mounts"]
    assert (check.verdict, check.found) == ("failed", "not on this host: /usr/local/bin/npu-smi")


@pytest.mark.parametrize("there_s", [0.0, 0.2])
@pytest.mark.parametrize("work_s", [0.0, 30.0])
def test_the_clocks_offset_does_not_count_the_way_nor_the_work(there_s: float, work_s: float) -> None:
    asked_at, off_s = 1000.0, 7.5
    received_at = asked_at + there_s + off_s
    answered_at = received_at + work_s
    found = clock_offset(asked_at, received_at, answered_at, answered_at - off_s + there_s)
    assert found.offset_s == pytest.approx(off_s)
    assert found.error_s == pytest.approx(there_s)


def test_a_way_that_is_slower_in_one_direction_stays_within_the_error() -> None:
    found = clock_offset(1000.0, 1000.4, 1000.5, 1000.5)  # 0.4 s there, nothing back, and no offset
    assert abs(found.offset_s) <= found.error_s + 1e-9


EVIL = "x; touch pwned"
"""What a host, or any user of it, may put where a name is expected."""


def test_nothing_that_a_host_says_is_unquoted_in_a_command_that_the_user_copies() -> None:
    device = {"mode": "600", "owner": EVIL, "group": EVIL, "usable": False}
    names = ("davinci0", "davinci_manager", "devmm_svm", "hisi_hdc", f"davinci0{EVIL}")
    cards = {"ids": [0], "npu_smi": True, "error": None, "warnings": [], "driver": EVIL, "health": {EVIL: "Alarm"}}
    checks = checked(
        wanted(image={}),
        user={"name": EVIL, "uid": 5, "groups": []},
        machine={"arch": EVIL, "in_container": False},
        devices=dict.fromkeys(names, device),
        cards={**cards, "held": {"0": EVIL}, "processes": []},
        driver={"path": EVIL, "text": None, "firmware_path": EVIL, "firmware": EVIL},
        cann={"places": [EVIL], "files": []},
        set_env=[{"path": EVIL, "there": True, "readable": False}],
        hccn={"tool": EVIL, "cards": {"0": {"link": "link status: DOWN"}}},
        work_dir={"path": EVIL, "free_bytes": 0, "total_bytes": 9, "free_inodes": 0, "total_inodes": 9, "error": None},
        home={"path": EVIL, "error": EVIL},
        tmp={"path": EVIL, "error": EVIL, "noexec": None},
        lease_dir={"path": EVIL, "there": True, "mode": EVIL, "error": f"{EVIL} has mode 7"},
        venv={"name": EVIL, "path": EVIL, "version": None, "error": "No module named venv"},
        limits={"nofile": [5, 5], "nproc": [5, 5], "memlock": [5, 5]},
        reach=[{"kind": "downloads", "url": f"http://{EVIL}", "status": 404, "error": None}],
    )
    remedies = {name: check.remedy for name, check in checks.items() if check.remedy}
    assert len(remedies) > 12
    for name, remedy in remedies.items():
        words = list(shlex.shlex(remedy, posix=True, punctuation_chars=True))
        assert "touch" not in words, (name, remedy)


@pytest.mark.parametrize(("shm_bytes", "verdict"), [(64 << 20, "failed"), (2 << 30, "warning"), (128 << 30, "ok")])
def test_the_shared_memory_of_containers_is_what_the_inventory_says(shm_bytes: int, verdict: str) -> None:
    asked = Wanted("lab-b", "docker", shm_bytes, wanted(cards=4).job)
    assert checked(asked)["shared_memory"].verdict == verdict


def test_a_bundle_that_is_asked_for_is_one_for_this_host() -> None:
    reach = [{"kind": "pip_index", "url": "http://index.invalid", "status": None, "error": "Network is unreachable"}]
    machine = {"arch": "aarch64", "libc": "glibc 2.28"}
    known = {"reach": reach, "machine": machine, "venv": {"version": "3.9.18"}}
    bare = checked(wanted(), **known)["pip_index"].remedy
    assert bare == "jobctl bundle conf.yaml -o bundle.tar --arch aarch64 --python 3.9 --glibc 2.28"
    boxed = checked(Wanted("lab-b", "docker", job=wanted().job), **known)["pip_index"].remedy
    assert boxed == "jobctl bundle CONFIG -o bundle.tar --arch aarch64 --image"
    unknown = checked(wanted(), reach=reach)["pip_index"].remedy
    assert unknown == "jobctl bundle conf.yaml -o bundle.tar"
