"""A bundle: made where there is a network, run where there is none, verified on both sides."""

from __future__ import annotations

import functools
import http.server
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import folders, make_lab
from tests.e2e.lab import Lab
from tests.offline_host import offline_host
from tests.wheels import make_wheel

SHOW = ["python", "-c", "import tiny; print('tiny is', tiny.VALUE)"]

TRY = "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError: pass"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "tiny", "1.0", value=1, needs=["old-python-only; python_version < '3.8'", "helper-of-tiny"])
    make_wheel(folder, "helper-of-tiny", "0.5")
    make_wheel(folder, "old-python-only", "3.0")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An address with a file, as the internet has them."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "weights.bin").write_bytes(b"weights" * 1000)
    handler = functools.partial(_Quiet, directory=str(tmp_path / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}/weights.bin"
        found.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def write_config(lab: Lab, wheels: Path, *wanted: str, **values: Any) -> None:
    install = [["--no-index", "--find-links", str(wheels), *(wanted or ("tiny",))]]
    config = {"template": "packages", "name": "offline", "values": {"steps": [SHOW], "install": install, **values}}
    (lab.laptop / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def host_python() -> str:
    """The version of the Python that the host of these tests has: this machine's `python3` over ssh."""
    import subprocess

    argv = ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def make_bundle(lab: Lab, *args: str) -> Path:
    lab.run("bundle", "config.yaml", "-o", "it.bundle", "--python", host_python(), *args)
    return lab.laptop / "it.bundle"


@pytest.mark.root
@pytest.mark.slow
def test_a_host_without_a_route_runs_a_job_from_the_bundle_alone(weird_path: Path, wheels: Path, server: str) -> None:
    fetch = ["python", "../template/fetch.py", server, "weights.bin"]
    look = ["python", "-c", "import pathlib; print(len(pathlib.Path('weights.bin').read_bytes()))"]
    with offline_host(weird_path.parent / "sshd") as host:
        lab = make_lab(weird_path, host.sshd.inventory("box", **folders(weird_path)))
        write_config(lab, wheels, steps=[SHOW, fetch, look], downloads=[{"url": server}])
        bundle = make_bundle(lab)
        for path in wheels.iterdir():
            path.unlink()  # from here on the bundle is all there is
        before = host.sent_nowhere()
        run_id = lab.submit("--bundle", str(bundle))
        status = lab.wait(run_id)
        assert status["state"] == "SUCCEEDED", status["reason"]
        assert host.sent_nowhere() == before, "something tried to reach out"
        host.inside("python3", "-c", TRY)
        assert host.sent_nowhere() > before, "what tries is counted"
        logs = lab.run("logs", run_id).out
        assert "tiny is 1\n" in logs and "\n7000\n" in logs
        links = [line for line in logs.splitlines() if line.startswith("Looking in")]
        assert links and all(f"/runs/{run_id}/wheels" in line or "Looking in links" in line for line in links)
        assert "Looking in indexes" not in logs
        again = lab.run("submit", "config.yaml", "-i", str(lab.inventory), "--bundle", str(bundle))
        assert "wheels:" not in again.err and "code:" not in again.err, "what the host has is not sent again"
        assert lab.wait(again.out.strip())["state"] == "SUCCEEDED"
        assert "is there already, built" in lab.run("logs", again.out.strip(), "--stage", "environment").out


def test_a_bundle_for_another_kind_of_machine_is_made_here_and_refused_there(local_lab: Lab, wheels: Path) -> None:
    make_wheel(wheels, "compiled", "1.0", tag="cp38-cp38-manylinux_2_17_aarch64")
    make_wheel(wheels, "compiled", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    make_wheel(wheels, "compiled", "2.0", tag="cp38-cp38-manylinux_2_31_aarch64")
    write_config(local_lab, wheels, "tiny", "compiled")
    for_38 = ("bundle", "config.yaml", "-o", "it.bundle", "--arch", "aarch64", "--python", "3.7")
    said = local_lab.run(*for_38, expect=2)
    assert "compiled has no wheel for aarch64, Python 3.7, glibc 2.28" in said.err
    assert not (local_lab.laptop / "it.bundle").exists() and not (local_lab.laptop / "config.lock").exists()
    write_config(local_lab, wheels, "tiny", "compiled")
    local_lab.run(*for_38[:-1], "3.8")
    told = local_lab.run("bundle", "--check", "it.bundle", "--json").json()["data"]
    assert told["target"] == {"arch": "aarch64", "python": "3.8", "glibc": "2.28"}
    names = {package["name"]: package["version"] for package in told["packages"]}
    assert names == {"tiny": "1.0", "helper-of-tiny": "0.5", "compiled": "1.0"}, "2.0 needs a newer C library"
    refused = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), "--bundle", "it.bundle", expect=2)
    assert "the bundle is for aarch64, Python 3.8, glibc 2.28, and box has " in refused.err
    assert "jobctl bundle config.yaml -o FILE --arch " in refused.err
    assert local_lab.runs_on_host() == []


def test_markers_are_read_for_the_target_and_not_for_this_python(local_lab: Lab, wheels: Path) -> None:
    write_config(local_lab, wheels)
    local_lab.run("bundle", "config.yaml", "-o", "it.bundle", "--arch", "x86_64", "--python", "3.7")
    told = local_lab.run("bundle", "--check", "it.bundle", "--json").json()["data"]
    assert "old-python-only" in {package["name"] for package in told["packages"]}


def test_the_same_bundle_is_made_of_the_same_inputs(local_lab: Lab, wheels: Path) -> None:
    write_config(local_lab, wheels)
    first = make_bundle(local_lab).read_bytes()
    make_wheel(wheels, "tiny", "2.0", needs=["helper-of-tiny"])
    assert make_bundle(local_lab).read_bytes() == first, "the lock holds"
    assert make_bundle(local_lab, "--upgrade").read_bytes() != first
    with tarfile.open(local_lab.laptop / "it.bundle") as tar:
        names = tar.getnames()
    assert names[0] == "manifest.json"
    assert [name for name in names if name.startswith("wheels/")] == [
        "wheels/helper_of_tiny-0.5-py3-none-any.whl",
        "wheels/tiny-2.0-py3-none-any.whl",
    ]


def test_a_bundle_that_was_cut_or_changed_is_not_taken(local_lab: Lab, wheels: Path) -> None:
    write_config(local_lab, wheels)
    bundle = make_bundle(local_lab)
    whole = bundle.read_bytes()
    at = whole.index(b"PK\x03\x04") + 20
    broken = {
        "changed": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
        "cut": whole[: len(whole) // 2],
        "no bundle": b"something else",
    }
    for name, data in broken.items():
        bundle.write_bytes(data)
        said = local_lab.run("bundle", "--check", "it.bundle", expect=None)
        assert said.exit_code in (2, 4) and "it.bundle" in said.err, f"{name}: {said}"
        sent = local_lab.run(
            "submit", "config.yaml", "-i", str(local_lab.inventory), "--bundle", "it.bundle", expect=None
        )
        assert sent.exit_code in (2, 4), f"{name}: {sent}"
        assert local_lab.runs_on_host() == [], name


def test_a_bundle_of_something_else_is_told_with_the_command_that_makes_a_new_one(
    local_lab: Lab, wheels: Path, server: str
) -> None:
    write_config(local_lab, wheels)
    make_bundle(local_lab)
    submit = ("submit", "config.yaml", "-i", str(local_lab.inventory), "--bundle", "it.bundle")
    write_config(local_lab, wheels, "helper-of-tiny")
    said = local_lab.run(*submit, expect=2)
    assert "made for other packages than the config asks for now" in said.err
    assert "jobctl bundle config.yaml -o FILE" in said.err
    assert "--upgrade asks an index" in local_lab.run(*submit, "--upgrade", expect=2).err
    write_config(local_lab, wheels, downloads=[{"url": server}])
    assert "the bundle lacks a download of the job" in local_lab.run(*submit, expect=2).err
    assert local_lab.runs_on_host() == []


def test_a_package_without_a_wheel_is_built_here_where_it_is_pure_python(local_lab: Lab, wheels: Path) -> None:
    source = local_lab.laptop / "source"
    source.mkdir()
    (source / "sourced.py").write_text("VALUE = 7\n")
    (source / "pyproject.toml").write_text(
        '[project]\nname = "sourced"\nversion = "1.0"\n[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n'
    )
    (source / "backend.py").write_text(BACKEND)
    with tarfile.open(wheels / "sourced-1.0.tar.gz", "w:gz") as tar:
        tar.add(source, "sourced-1.0")
    write_config(local_lab, wheels, "sourced")
    said = local_lab.run("bundle", "config.yaml", "-o", "it.bundle", "--arch", "aarch64", "--python", "3.9")
    assert "sourced has no wheel for aarch64, Python 3.9, glibc 2.28: building one here" in said.err
    told = local_lab.run("bundle", "--check", "it.bundle").out
    assert "sourced-1.0-py3-none-any.whl" in told


BACKEND = """
import os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, info = "sourced-1.0-py3-none-any.whl", "sourced-1.0.dist-info"
    files = {
        "sourced.py": open("sourced.py").read(),
        info + "/METADATA": "Metadata-Version: 2.1\\nName: sourced\\nVersion: 1.0\\n",
        info + "/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        info + "/RECORD": "",
    }
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""


def test_what_was_fetched_before_a_cut_is_not_fetched_again(local_lab: Lab, wheels: Path, server: str) -> None:
    write_config(local_lab, wheels, downloads=[{"url": server, "sha256": "0" * 64}])
    args = ("bundle", "config.yaml", "-o", "it.bundle", "--python", host_python())
    said = local_lab.run(*args, expect=4)
    assert "the download is not the file that it should be" in said.err
    kept = list((local_lab.laptop / "records" / "cache" / "bundles").glob("*/wheels/tiny-1.0*.whl"))
    assert len(kept) == 1
    kept[0].touch()
    changed = kept[0].stat().st_mtime_ns
    write_config(local_lab, wheels, downloads=[{"url": server}])
    (wheels.parent / "www" / "weights.bin").write_bytes(b"x" * 10)
    place = kept[0].parent.parent / "downloads"
    (place / f"{_name(server)}.part").write_bytes(b"x" * 4)
    assert kept[0].stat().st_mtime_ns == changed
    local_lab.run(*args)
    told = local_lab.run("bundle", "--check", "it.bundle", "--json").json()["data"]
    assert told["downloads"] == [server] and told["trees"]["downloads"]["size_bytes"] == 10
    assert not kept[0].exists(), "what was kept for another try is cleared away"


def _name(url: str) -> str:
    from jobctl.host.downloads import store_name

    return store_name(url)


def test_the_image_goes_along_as_a_tar(local_lab: Lab, wheels: Path) -> None:
    (local_lab.laptop / "image.tar").write_bytes(b"layers")
    write_config(local_lab, wheels, image={"x86_64": "registry.example/npu:1", "aarch64": "registry.example/npu:2"})
    make_bundle(local_lab, "--image", "image.tar", "--arch", "x86_64")
    told = local_lab.run("bundle", "--check", "it.bundle", "--json").json()["data"]
    assert (told["image"], told["trees"]["image"]) == ("registry.example/npu:1", {"files": 1, "size_bytes": 6})
    said = local_lab.run("bundle", "config.yaml", "-o", "x", "--image", "nosuch.tar", expect=2)
    assert "no such file" in said.err


def test_the_command_wants_a_config_and_a_file_or_a_bundle_to_check(local_lab: Lab) -> None:
    assert "CONFIG and -o FILE are needed" in local_lab.run("bundle", expect=2).err
    assert "without CONFIG" in local_lab.run("bundle", "c.yaml", "--check", "x", expect=2).err
    assert "no such bundle" in local_lab.run("bundle", "--check", "nosuch", expect=2).err
    assert (
        json.loads(local_lab.run("bundle", "--check", "nosuch", "--json", expect=2).out)["error"]["kind"]
        == "InputError"
    )
