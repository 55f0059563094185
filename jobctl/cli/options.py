"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from typing import Any

import click
from click.shell_completion import CompletionItem


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from jobctl import api

    found = [record for record in api.known_runs() if record.run_id.startswith(incomplete)]
    return [CompletionItem(record.run_id, help=record.host_name) for record in found]


def complete_stage(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The stages of the run on the line, as it was seen last; without one, of the newest."""
    from jobctl import api

    wanted = ctx.params.get("run") or ""
    status = next((record.status or {} for record in api.known_runs() if record.run_id.startswith(wanted)), {})
    stages = [stage for stage in status.get("stages") or [] if str(stage["name"]).startswith(incomplete)]
    return [CompletionItem(stage["name"], help=stage["state"]) for stage in stages]


def complete_host(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from jobctl.api.prepare import load_hosts
    from jobctl.errors import JobctlError

    try:
        hosts = load_hosts(ctx.params.get("inventory") or "")
    except JobctlError:
        return []
    return [CompletionItem(host.name, help=host.address) for host in hosts if host.name.startswith(incomplete)]


def run_argument(function: Any) -> Any:
    return click.argument("run", required=False, shell_complete=complete_run)(function)


def json_option(function: Any) -> Any:
    return click.option("--json", "as_json", is_flag=True, help='Print {"version", "command", "data"}.')(function)


def config_argument(function: Any) -> Any:
    return click.argument("config", type=click.Path())(function)


def inventory_option(function: Any) -> Any:
    return click.option(
        "-i",
        "--inventory",
        required=True,
        envvar="JOBCTL_INVENTORY",
        type=click.Path(),
        help="The hosts (YAML). JOBCTL_INVENTORY names it too.",
    )(function)


def host_option(function: Any) -> Any:
    return click.option(
        "--host",
        metavar="NAME",
        shell_complete=complete_host,
        help="Which host of the inventory; not needed if it has one.",
    )(function)


def hosts_argument(function: Any) -> Any:
    return click.argument("hosts", nargs=-1, metavar="[HOST]...", shell_complete=complete_host)(function)


def hosts_option(function: Any) -> Any:
    """As `host_option`, where it may be given several times: a tuple `hosts`."""
    return click.option(
        "--host",
        "hosts",
        metavar="NAME",
        multiple=True,
        shell_complete=complete_host,
        help="Which host of the inventory; not needed if it has one. May be repeated.",
    )(function)


def direct_option(function: Any) -> Any:
    return click.option(
        "--direct", is_flag=True, help="With several hosts: send to each from here, never from host to host."
    )(function)


def set_option(function: Any) -> Any:
    return click.option(
        "--set", "sets", metavar="K=V", multiple=True, help="Change a value of the config. May be repeated."
    )(function)


def parse_cards(text: str | None) -> list[int] | None:
    """`4-7` or `0,2,5`: numbers of cards. Raises click.BadParameter."""
    if text is None:
        return None
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part.strip())
        if not match:
            raise click.BadParameter(f"{text!r} is not a list of cards, such as 4-7 or 0,2,5", param_hint="--cards")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise click.BadParameter(f"{part!r} goes down; {last}-{first} is meant?", param_hint="--cards")
        found.extend(range(first, last + 1))
    return found


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_wait(text: str | None, no_wait: bool) -> float | None:
    """`2h`, `30m`, `45s`, `1d` as seconds; 0 for --no-wait; None: for ever. Raises click.BadParameter."""
    if text is not None and no_wait:
        raise click.BadParameter("--wait and --no-wait contradict each other", param_hint="--wait")
    if text is None:
        return 0.0 if no_wait else None
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd])", text.strip())
    if not match:
        raise click.BadParameter(f"{text!r} is not a time, such as 2h, 30m, 45s or 1d", param_hint="--wait")
    return float(match[1]) * _SECONDS[match[2]]


_BYTES = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3}


def limit_option(function: Any) -> Any:
    return click.option(
        "--limit-rate",
        metavar="RATE",
        help="Take no more of the link than so many bytes a second, such as 10M, 500k or 1.5G.",
    )(function)


def parse_rate(text: str | None) -> int | None:
    """`10M`, `500k`, `1.5G`: bytes a second, powers of 1000; None: no limit. Raises click.BadParameter."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)([kMG]?)", text.strip())
    rate = float(match[1]) * _BYTES[match[2]] if match else 0.0
    if rate < 1000:
        hint = "is less than 1k bytes a second" if match else "is not a rate, such as 10M, 500k or 1.5G bytes a second"
        raise click.BadParameter(f"{text!r} {hint}", param_hint="--limit-rate")
    return int(rate)
