"""The wall clock of the host is wrong, or is set while a run goes on."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.chaos.sound import assert_sound
from tests.chaos.training import HERE, Site

HOUR_S = 3600


@pytest.fixture
def clock(site: Site, tmp_path: Path) -> Path:
    """The file that says by how many seconds the host's wall clock is off."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a clock of its own for the host needs a C compiler: sudo apt-get install -y gcc libc6-dev")
    library, offset = tmp_path / "clock.so", tmp_path / "offset"
    source = str(HERE / "clock_shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), source], check=True)
    offset.write_text("0")
    site.host_env.write_text(f"export LD_PRELOAD={library} CLOCK_OFFSET={offset}\n")
    return offset


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
def test_the_hosts_clock_is_an_hour_off(site: Site, clock: Path, off_s: int) -> None:
    clock.write_text(str(off_s))
    run_id = site.started({"iters": 100, "step_s": 0.01})
    site.run("ps")
    status = site.wait(run_id)
    assert abs(status["started_at"] - time.time() - off_s) < HOUR_S / 2, "times are the host's"
    assert status["started_at"] <= status["ended_at"]
    assert_sound(site, "SUCCEEDED", run_id)


def test_the_hosts_clock_jumps_back_while_the_run_goes_on(site: Site, clock: Path) -> None:
    run_id = site.started({"iters": 300, "step_s": 0.01})
    clock.write_text(str(-HOUR_S))
    site.run("ps")
    site.run("status", run_id)
    assert site.wait(run_id)["state"] == "SUCCEEDED"
    assert_sound(site, "SUCCEEDED", run_id)
