"""Checks of what a login on the host gets: folders, locale, limits, shared memory, ports, crontab. Pure."""

from __future__ import annotations

import shlex

from jobctl.checks.model import Facts, Finding, Wanted, ok, skipped, unknown
from jobctl.host.disk import size_words

_GIB = 1 << 30
SHM_LEAST_BYTES = 128 << 20
"""Docker gives 64 MiB unless told otherwise, and PaddleSeg's data loaders die of a bus error in that."""
SHM_BYTES_EACH = _GIB
"""For each process that trains. Reckoned, not measured: 8 workers with a few batches of 2 x 3 x 1024 x 512 floats hold
0.3 GB."""
FILES, PROCESSES = 1024, 1024


def home(facts: Facts, wanted: Wanted) -> Finding:
    """Paddle, pip and CANN keep caches and logs in the home folder."""
    found = facts["home"]
    path = shlex.quote(found["path"])
    if not found["error"]:
        return ok(f"{found['path']} can be written to")
    owner = 'sudo chown "$(id -u):$(id -g)"'
    remedy = f"sudo mkdir -p {path} && {owner} {path} && chmod u+rwx {path}"
    return Finding("failed", f"nothing can be written to {found['path']}: {found['error']}", "to write there", remedy)


def tmp(facts: Facts, wanted: Wanted) -> Finding:
    """Packages are unpacked and built in the folder for temporary files, and programs of theirs run from there."""
    found = facts["tmp"]
    path = shlex.quote(found["path"])
    if found["error"]:
        told = f"nothing can be written to {found['path']}: {found['error']}"
        return Finding("failed", told, "to write there", f"sudo mkdir -p {path} && sudo chmod 1777 {path}")
    if found["noexec"]:
        told = f"{found['path']} is mounted noexec: packages that build or load programs there fail"
        return Finding("warning", told, "without noexec", f"sudo mount -o remount,exec {path}")
    return ok(f"{found['path']} can be written to, and programs run from it")


def locale(facts: Facts, wanted: Wanted) -> Finding:
    """Names of files in Chinese, and what Python prints."""
    found = facts["locale"]
    names = ", ".join(f"{name}={value}" for name, value in found["names"].items()) or "none is set"
    remedy = "sudo update-locale LANG=C.UTF-8 LC_ALL=C.UTF-8"
    if found["error"]:
        return Finding("warning", f"{names}: {found['error']}", "a locale that the host has", remedy)
    if found["encoding"].lower().replace("-", "") != "utf8":
        told = f"{names}: file names are {found['encoding']}"
        return Finding("warning", told, "UTF-8, or names in Chinese fail", remedy)
    return ok(f"{names}; file names are UTF-8")


def open_files(facts: Facts, wanted: Wanted) -> Finding:
    """Data loaders hold some files for each worker of each rank."""
    return _limit(facts, "nofile", FILES, "open files")


def processes(facts: Facts, wanted: Wanted) -> Finding:
    """Processes and threads that the user may have."""
    return _limit(facts, "nproc", PROCESSES, "processes and threads")


def _limit(facts: Facts, name: str, least: int, what: str) -> Finding:
    soft, hard = facts["limits"][name]
    if soft == -1 or soft >= least:
        return ok(f"{_amount(soft)} {what}")
    line = f"{_user(facts)} - {name} 65536"
    remedy = f"echo {shlex.quote(line)} | sudo tee -a /etc/security/limits.d/90-jobctl.conf"
    return Finding("failed", f"{_amount(soft)} {what} (hard limit: {_amount(hard)})", f"{least} or more", remedy)


def locked_memory(facts: Facts, wanted: Wanted) -> Finding:
    """The cards' network pins memory; between hosts only."""
    soft, _ = facts["limits"]["memlock"]
    if wanted.device == "cpu" or not wanted.several_hosts:
        return skipped("counts between several hosts with cards only")
    if soft == -1:
        return ok("as much memory as there is may be locked")
    remedy = (
        f"echo {shlex.quote(_user(facts) + ' - memlock unlimited')} | sudo tee -a /etc/security/limits.d/90-jobctl.conf"
    )
    return Finding("warning", f"{size_words(soft)} of memory may be locked", "unlimited, for RDMA", remedy)


def _amount(limit: int) -> str:
    return "any number of" if limit == -1 else f"{limit}"


def _user(facts: Facts) -> str:
    found = facts["user"]
    return str(found["name"] or found["uid"])


def shared_memory(facts: Facts, wanted: Wanted) -> Finding:
    """Data loaders hand batches over through /dev/shm. In a container it is another one: see `container`."""
    ranks = wanted.job.cards if wanted.job else 1
    need = ranks * SHM_BYTES_EACH
    if wanted.runtime != "bare":
        return _container_shm(wanted, need)
    found = facts["shm"]
    total, free = found["total_bytes"], found["free_bytes"]
    remedy = f"sudo mount -o remount,size={max(8, 2 * ranks)}G /dev/shm"
    words = f"{size_words(free)} of {size_words(total)} free in /dev/shm"
    if not found["writable"]:
        return Finding(
            "failed",
            "nothing can be written to /dev/shm",
            "to write there",
            "sudo chmod 1777 /dev/shm",
        )
    if total < SHM_LEAST_BYTES:
        return Finding("failed", words, f"{size_words(need)}: data loaders die of a bus error", remedy)
    if free < SHM_LEAST_BYTES:
        return Finding("failed", words, f"{size_words(need)} free", "ls -lS /dev/shm | head")
    if total < need or free < need / 2:
        return Finding("warning", words, f"{size_words(need)} for {ranks} processes", remedy)
    return ok(words)


def _container_shm(wanted: Wanted, need: int) -> Finding:
    """Containers have one of their own, of the inventory's size."""
    words = f"{size_words(wanted.shm_bytes)} in containers (`shm_size` under `container` in the inventory)"
    if wanted.shm_bytes < SHM_LEAST_BYTES:
        return Finding("failed", words, f"{size_words(need)}: data loaders die of a bus error")
    return Finding("warning", words, size_words(need)) if wanted.shm_bytes < need else ok(words)


def lease_dir(facts: Facts, wanted: Wanted) -> Finding:
    """Where the host's users agree on who has which card."""
    found = facts["lease_dir"]
    path = shlex.quote(found["path"])
    if not found["error"]:
        return ok(f"{found['path']} " + ("is open to all users" if found["there"] else "will be made by the first run"))
    if found["there"] and "has mode" in found["error"]:
        return Finding("failed", f"{found['path']} has mode {found['mode']}", "mode 1777", f"sudo chmod 1777 {path}")
    remedy = f"ls -ld {path}" if found["there"] else f"sudo install -d -m 1777 {path}"
    return Finding("failed", found["error"], "a folder that is open to all users, mode 1777", remedy)


def ports(facts: Facts, wanted: Wanted) -> Finding:
    """The launcher's and HCCL's ports: a block of its own for each run."""
    found = facts["ports"]
    base, each = found["first_free"], found["ports_each"]
    held = f"{found['held_blocks']} of {found['blocks']} blocks are held by runs"
    if base is not None:
        return ok(f"{base} to {base + each - 1} are free for a run; {held}")
    remedy = "ss -Hltnp 'sport >= :20000 and sport < :32768'"
    told = f"no block of {each} ports is free; {held}"
    return Finding("failed", told, "one: else Paddle's launcher and HCCL may collide with others", remedy)


def crontab(facts: Facts, wanted: Wanted) -> Finding:
    """What brings a run with `on_boot: resume` back after a restart of the host."""
    if wanted.job is None or wanted.job.on_boot is None:
        return skipped("the job has no on_boot" if wanted.job else "no config was named")
    error = facts["crontab"]["error"]
    if not error:
        return ok("the crontab can be used, and a cron daemon runs")
    if "daemon" in error and facts["crontab"]["others_are_hidden"]:
        return unknown("the crontab can be used; whether a cron daemon runs this host hides")
    remedy = "sudo service cron start" if "daemon" in error else "sudo apt-get install -y cron"
    return Finding("failed", error, "a crontab, for on_boot: resume", remedy)
