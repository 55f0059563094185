"""What must come from the internet: whole or not at all, once a host, and a clear word where there is no internet."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from jobctl.host.downloads import store_name
from tests.templates.conftest import WebServer
from tests.templates.helpers import run_helper

WEIGHTS = b"weights " * 1000
IMAGE = "/dygraph/demo/cityscapes_demo.png"
ARCHIVE = "/dygraph/resnet50_vd_ssld_v2.tar.gz"


def make_archive(name: str = "resnet50_vd_ssld_v2/model.pdparams") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(WEIGHTS)
        tar.addfile(member, io.BytesIO(WEIGHTS))
    return buffer.getvalue()


class Run:
    """A run directory below a work_dir, and the helper scripts run in its code tree."""

    def __init__(self, work_dir: Path, name: str = "run") -> None:
        self.code = work_dir / "runs" / name / "code"
        self.code.mkdir(parents=True)
        self.work_dir = work_dir

    def helper(self, script: str, *args: str) -> tuple[int, str]:
        env = {"JOBCTL_RUN_DIR": str(self.code.parent)}
        return run_helper(f"deeplabv3p/{script}", *args, cwd=self.code, env=env)

    @property
    def weights(self) -> Path:
        return self.code.parent / "seg_home/pretrained_model/resnet50_vd_ssld_v2/model.pdparams"

    def kept(self) -> list[Path]:
        return [path for path in (self.work_dir / "datasets").glob("*/*") if path.is_file()]


@pytest.fixture
def run(weird_path: Path) -> Run:
    return Run(weird_path)


def test_an_image_is_downloaded_once_for_all_runs_of_a_host(run: Run, web: WebServer, weird_path: Path) -> None:
    web.files[IMAGE] = b"picture"
    for each in (run, Run(weird_path, "second")):
        code, told = each.helper("fetch.py", web.url(IMAGE), "./cityscapes_demo.png")
        assert code == 0, told
        assert (each.code / "cityscapes_demo.png").read_bytes() == b"picture"
    assert web.hits == [IMAGE]


def test_a_path_must_only_be_there(run: Run) -> None:
    (run.code / "a picture.png").touch()
    assert run.helper("fetch.py", "a picture.png", "a picture.png")[0] == 0
    code, told = run.helper("fetch.py", "no such.png", "no such.png")
    assert (code, told.strip()) == (
        1,
        "no such.png: there is no such file or folder (paths are relative to the code tree)",
    )


@pytest.mark.parametrize("trouble", ["cut off", "not there", "no way", "another file"])
def test_a_download_that_fails_leaves_nothing_and_says_why(run: Run, web: WebServer, trouble: str) -> None:
    web.files[IMAGE] = b"picture" * 100
    web.cut = trouble == "cut off"
    url = "http://127.0.0.1:1/x.png" if trouble == "no way" else web.url("/x" if trouble == "not there" else IMAGE)
    sha256 = ("--sha256", "0" * 64) if trouble == "another file" else ()
    code, told = run.helper("fetch.py", url, "./cityscapes_demo.png", *sha256)
    assert code == 1
    expected = {
        "cut off": "it ended after 350 of 700 bytes",
        "not there": "Not Found",
        "no way": "no way to the internet",
        "another file": "is not the file it should be",
    }
    assert expected[trouble] in told and url in told and "Traceback" not in told
    assert not (run.code / "cityscapes_demo.png").exists()
    assert run.kept() == []


def test_pretrained_weights_lie_where_paddleseg_looks_for_them(run: Run, web: WebServer, weird_path: Path) -> None:
    web.files[ARCHIVE] = make_archive()
    sha256 = hashlib.sha256(web.files[ARCHIVE]).hexdigest()
    for each in (run, run, Run(weird_path, "second")):
        code, told = each.helper("pretrained.py", web.url(ARCHIVE), "../seg_home", "--sha256", sha256)
        assert code == 0, told
        assert each.weights.read_bytes() == WEIGHTS
    assert web.hits == [ARCHIVE]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.pdparams", WEIGHTS),
        ("resnet50_vd_ssld_v2/model.pdparams", WEIGHTS),
        ("resnet50_vd_ssld_v2.tar.gz", make_archive()),
    ],
)
def test_weights_can_be_given_as_a_file_or_as_the_archive(run: Run, web: WebServer, name: str, content: bytes) -> None:
    given = run.code / "data/pretrained" / name
    given.parent.mkdir(parents=True)
    given.write_bytes(content)
    code, told = run.helper("pretrained.py", web.url(ARCHIVE), "../seg_home", "--given", "data/pretrained")
    assert code == 0, told
    assert run.weights.read_bytes() == WEIGHTS
    assert web.hits == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not an archive", "is damaged"),
        (make_archive()[:-30], "is damaged"),
        (make_archive("resnet50/readme.txt"), "there is no model.pdparams in it"),
    ],
)
def test_an_archive_without_whole_weights_is_refused(run: Run, web: WebServer, content: bytes, message: str) -> None:
    web.files[ARCHIVE] = content
    code, told = run.helper("pretrained.py", web.url(ARCHIVE), "../seg_home")
    assert code == 1
    assert message in told and "Traceback" not in told
    assert not run.weights.exists()
    assert not [path for path in run.kept() if path.suffix in (".part", ".pdparams")]


def test_a_folder_without_the_weights_is_named_with_what_was_looked_for(run: Run, web: WebServer) -> None:
    (run.code / "data/pretrained").mkdir(parents=True)
    code, told = run.helper("pretrained.py", web.url(ARCHIVE), "../seg_home", "--given", "data/pretrained")
    assert code == 1
    assert "neither model.pdparams nor resnet50_vd_ssld_v2.tar.gz" in told


def test_what_a_bundle_brought_is_found_where_there_is_no_network(tmp_path: Path) -> None:
    url = "http://nowhere.invalid/a/picture.png?version=2"
    place = tmp_path / "datasets" / ".downloads" / store_name(url)  # as the host program lays it out
    place.parent.mkdir(parents=True)
    place.write_bytes(b"picture")
    run = Run(tmp_path)
    code, said = run.helper("fetch.py", url, "picture.png")
    assert (code, (run.code / "picture.png").read_bytes()) == (0, b"picture"), said
