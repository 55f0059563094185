"""A root file system with bash, a few programs and Python, out of this machine's own: the image of the tests."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

PROGRAMS = "bash sh env ls cat id sleep stat touch mkdir rm true df sort head".split()
_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
_LEFT_OUT = re.compile(
    r"/(test|tests|dist-packages|site-packages|__pycache__|idlelib|tkinter|lib2to3|pydoc_data|config-3[^/]*)(/|$)"
)
SET_ENV = "/usr/local/Ascend/ascend-toolkit/set_env.sh"
_FILES = {
    # As CANN's: it fails under `set -u`, appends, and its last command is false.
    SET_ENV: "export ASCEND_TOOLKIT_HOME=/usr/local/Ascend/ascend-toolkit/latest\n"
    'export PYTHONPATH=/usr/local/Ascend/python:$PYTHONPATH\n[ -n "$NO_SUCH_VARIABLE" ] && echo never\n',
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
}


def write_root(tar: Path) -> None:
    """Write the root file system as a tar file, in about two seconds."""
    python = Path("/usr/bin/python3").resolve()
    library = Path("/usr/lib") / python.name
    with tarfile.open(tar, "w") as out:
        for name, target in _LINKS.items():
            _add(out, name, tarfile.SYMTYPE, link=target)
        for folder, mode in {"tmp": 0o1777, "proc": 0o755, "sys": 0o755, "dev": 0o755, "root": 0o700}.items():
            _add(out, folder, tarfile.DIRTYPE, mode=mode)
        paths = [found for name in PROGRAMS if (found := shutil.which(name, path="/usr/bin:/bin"))] + [str(python)]
        paths += sorted(_libraries([*paths, *map(str, library.glob("lib-dynload/*.so"))]))
        for path in paths:
            _copy(out, path)
        out.add(library, filter=lambda entry: None if _LEFT_OUT.search(entry.name) else entry)
        if Path("/usr/share/python-wheels").is_dir():  # Debian keeps what ensurepip needs there
            out.add("/usr/share/python-wheels")
        for name in ("python", "python3"):
            _add(out, f"usr/bin/{name}", tarfile.SYMTYPE, link=python.name)
        for name, text in _FILES.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size = len(text)
            out.addfile(entry, io.BytesIO(text.encode()))


def _add(out: tarfile.TarFile, name: str, kind: bytes, link: str = "", mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, link, mode
    out.addfile(entry)


def _libraries(paths: list[str]) -> set[str]:
    said = subprocess.run(["ldd", *paths], capture_output=True, text=True).stdout
    return {re.sub(r"^/(lib|lib64)/", r"/usr/\1/", path) for path in re.findall(r"(?:=> |\t)(/\S+) \(0x", said)}


def _copy(out: tarfile.TarFile, path: str) -> None:
    real = Path(path).resolve()
    entry = out.gettarinfo(str(real), arcname=re.sub(r"^/(bin|lib|lib64)/", r"/usr/\1/", path))
    with real.open("rb") as handle:
        out.addfile(entry, handle)


def write_empty_image(folder: Path, architecture: str, name: str) -> Path:
    """A file for `docker load` with an image of that architecture that holds nothing."""
    layer = bytes(10240)  # an empty tar
    diff_id = "sha256:" + hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    tar = folder / f"empty-{architecture}.tar"
    with tarfile.open(tar, "w") as out:
        contents = {"layer.tar": layer, "config.json": json.dumps(config).encode()}
        for path, content in {**contents, "manifest.json": json.dumps(manifest).encode()}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))
    return tar
