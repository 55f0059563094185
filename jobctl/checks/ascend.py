"""Checks of driver, firmware, CANN and their versions. Pure. Read, never run on a card: no NPU was at hand."""

from __future__ import annotations

import shlex

from jobctl.checks import versions
from jobctl.checks.model import Facts, Finding, NotKnown, Wanted, ok, skipped, unknown

_INSTALL = "sudo ./Ascend-hdk-910b-npu-driver_{}_linux-{}.run --full --install-for-all && sudo reboot"
_INSTALL_FIRMWARE = "sudo ./Ascend-hdk-910b-npu-firmware_{}.run --full && sudo reboot"
_INSTALL_CANN = "sudo ./Ascend-cann-toolkit_{}_linux-{}.run --install"
_CANN_OF_THE_TUTORIAL = "8.0.RC1"


def driver(facts: Facts, wanted: Wanted) -> Finding:
    """The driver that is installed, and whether it is the one that runs."""
    found = facts["driver"]
    remedy = _INSTALL.format(versions.OLDEST_DRIVER, shlex.quote(facts["machine"]["arch"]))
    least = f"{versions.OLDEST_DRIVER} or newer: {versions.PADDLE}"
    if found["text"] is None:
        return Finding("failed", f"no driver: {found['path']} is not there", least, remedy)
    version = _driver_version(facts)
    if versions.order(version) < versions.order(versions.OLDEST_DRIVER):
        return Finding("failed", f"driver {version}", least, remedy)
    running = _running_driver(facts)
    if running and not (versions.stands_for(running, version) or versions.stands_for(version, running)):
        told = f"driver {version} is installed, and npu-smi says that {running} runs"
        return Finding("warning", told, "one and the same", "sudo reboot")
    return ok(f"driver {version}")


def _driver_version(facts: Facts) -> str:
    text = facts["driver"]["text"]
    version = text and (versions.field(text, "package_version") or versions.field(text, "Version"))
    if not version:
        raise NotKnown(f"{facts['driver']['path']} names no version")
    return str(version)


def _running_driver(facts: Facts) -> str | None:
    try:
        found = facts["cards"]["driver"]
    except NotKnown:
        return None
    return found.lower() if found else None


def firmware(facts: Facts, wanted: Wanted) -> Finding:
    """Whether driver and firmware go together, by what the driver itself says."""
    found = facts["driver"]
    if found["text"] is None:
        return unknown("there is no driver to compare it with")
    if found["firmware"] is None:
        return unknown(f"{found['firmware_path']} is not there (as in a container)")
    version, installed = versions.field(found["firmware"], "Version"), _driver_version(facts)
    if not version:
        return unknown(f"{found['firmware_path']} names no version")
    ranges = versions.firmware_ranges(found["text"])
    told = f"firmware {version}, driver {installed}"
    key = versions.order(version)
    if any(versions.order(low) <= key <= versions.order(high) for low, high in ranges):
        return ok(told)
    known = next((fits for row, fits in versions.FIRMWARE.items() if versions.stands_for(row, installed)), None)
    if ranges:
        said = ", ".join(f"{low} to {high}" for low, high in ranges)
        remedy = _INSTALL_FIRMWARE.format(known or "VERSION")
        return Finding("failed", told, f"the driver says: firmware {said} ({found['path']})", remedy)
    if known == version:
        return ok(told)
    return unknown(f"{told}: this driver does not say which firmware it fits")


def cann(facts: Facts, wanted: Wanted) -> Finding:
    """The toolkit on the host itself."""
    if wanted.runtime != "bare":
        return skipped("CANN is the image's own")
    found = facts["cann"]
    if not found["files"]:
        remedy = _INSTALL_CANN.format(_CANN_OF_THE_TUTORIAL, shlex.quote(facts["machine"]["arch"]))
        return Finding("failed", f"no CANN toolkit in {' or '.join(found['places'])}", "one", remedy)
    return ok(f"CANN {_cann_version(facts)}, {found['files'][0]['path']}")


def _cann_version(facts: Facts) -> str:
    for file in facts["cann"]["files"]:
        version = versions.field(file["text"] or "", "version")
        if version:
            return version
    raise NotKnown("no file of the toolkit names its version")


def pairing(facts: Facts, wanted: Wanted) -> Finding:
    """Driver and CANN together, against what is published."""
    if wanted.runtime != "bare":
        return skipped("CANN is the image's own")
    if not facts["cann"]["files"] or facts["driver"]["text"] is None:
        return unknown("one of driver and CANN is missing")
    installed, toolkit = _driver_version(facts), _cann_version(facts)
    told = f"CANN {toolkit} with driver {installed}"
    pair = versions.find_pair(toolkit, installed)
    fitting = versions.drivers_for(toolkit)
    if pair and pair.fits:
        return ok(f"{told}: {pair.source}")
    if pair:
        remedy = _INSTALL.format(fitting[0] if fitting else "VERSION", shlex.quote(facts["machine"]["arch"]))
        return Finding("failed", f"{told} do not go together", f"driver {' or '.join(fitting)}: {pair.source}", remedy)
    named = f" (known to fit: driver {', '.join(fitting)})" if fitting else ""
    told = f"{told}: no source that we know lists the two together{named}"
    return Finding("unknown", told, remedy=_deep(wanted), here=True)


def _deep(wanted: Wanted) -> str:
    """What tells more than any table."""
    return wanted.command("doctor", wanted.host, "--config", wanted.config_word, "--deep")


def set_env(facts: Facts, wanted: Wanted) -> Finding:
    """CANN's variables, as a run gets them: sourced by bash without `set -u`, which set_env.sh does not survive."""
    if wanted.runtime != "bare":
        return skipped("CANN is the image's own")
    rows = facts["set_env"]
    if not rows:
        return Finding("warning", "the job sources no file", "CANN's set_env.sh under `source`, or plugins do not load")
    for row in rows:
        path = shlex.quote(row["path"])
        if not row["there"]:
            remedy = 'find /usr/local /opt "$HOME" -maxdepth 6 -name set_env.sh 2>/dev/null | head'
            return Finding("failed", f"{row['path']} is not there", "the file that the job sources", remedy)
        if not row["readable"]:
            return Finding("failed", f"{row['path']} may not be read", "to source it", f"sudo chmod a+r {path}")
        if row["ended"]:
            told = f"sourcing {row['path']} ends the shell" + (f": {row['said']}" if row["said"] else "")
            return Finding("failed", told, "that it comes back", f"bash -x {path} 2>&1 | tail")
    found = {name: value for row in rows for name, value in row["variables"].items()}
    lost = [name for row in rows for name in row["leading_nowhere"]]
    if not found:
        remedy = f"bash -c '. \"$1\"; env | grep ASCEND' - {shlex.quote(rows[0]['path'])}"
        names = ", ".join(row["path"] for row in rows)
        return Finding("failed", f"{names}: sets none of CANN's variables", "ASCEND_TOOLKIT_HOME", remedy)
    if lost:
        told = ", ".join(f"{name}={found[name]}" for name in lost)
        return Finding(
            "failed", f"{told} leads nowhere", "a folder that is there", f"ls -ld {shlex.quote(found[lost[0]])}"
        )
    return ok(", ".join(f"{name}={value}" for name, value in sorted(found.items())[:2]))
