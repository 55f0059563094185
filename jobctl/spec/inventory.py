"""The inventory: the hosts, how to reach them, where to work, which runtime."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict, ValidationError, model_validator

from jobctl.errors import InputError
from jobctl.spec.container import Container
from jobctl.spec.fields import EnvName, Filled, HostPath, Label, Misfit, Part, Text
from jobctl.spec.validate import Problem, config_error, did_you_mean, problems, validate
from jobctl.spec.yaml_source import Document, load_yaml

_SECRET_KEYS = {"password": "password_env", "passphrase": "passphrase_env", "key": "identity_file"}


class HostFields(Part):
    """What may be written about a host. None: as `~/.ssh/config` says, else as `ssh` does."""

    address: Filled | None = Field(
        None, description="Name or address; may be an alias of ~/.ssh/config. Default: the host's key in the inventory."
    )
    port: Annotated[int, Strict()] | None = Field(None, ge=1, le=65535, description="SSH port.")
    user: Filled | None = Field(None, description="User on the host.")
    identity_file: Filled | None = Field(None, description="Private key on the laptop.")
    proxy_jump: Filled | None = Field(
        None, description="Hosts to go through, as in ssh -J: 'user@host:port,user2@host2'. 'none' switches it off."
    )
    known_hosts: Filled | None = Field(None, description="File with host keys. Default: ~/.ssh/known_hosts.")
    ssh_config: Filled | None = Field(None, description="OpenSSH client configuration. Default: ~/.ssh/config.")
    password_env: EnvName | None = Field(None, description="Variable on the laptop that holds the password.")
    password_file: Filled | None = Field(None, description="File on the laptop that holds the password.")
    passphrase_env: EnvName | None = Field(None, description="Variable on the laptop with the key's passphrase.")
    connect_timeout_s: Annotated[float, Strict()] | None = Field(
        None, gt=0, le=600, description="Seconds to wait for a connection. Default: as ~/.ssh/config says, else 15."
    )
    transport: Literal["ssh", "local"] = Field("ssh", description="How to reach it; 'local' is this machine.")
    work_dir: HostPath = Field("~/jobctl", description="Everything jobctl writes on the host is below this folder.")
    lease_dir: HostPath | None = Field(
        None, description="Where all users of the host agree on who has which card. Default: /var/tmp/jobctl-leases."
    )
    python: Filled = Field("python3", description="Interpreter that runs the host program (3.7 or newer).")
    backend: Literal["direct"] = Field("direct", description="Who starts the run on the host.")
    runtime: Literal["bare", "docker", "podman"] = Field(
        "bare", description="Where the stages run: the host itself, or containers of the job's image."
    )
    container: Container = Field(default_factory=Container, description="How containers are made; not with 'bare'.")
    labels: dict[Label, Text] = Field(default_factory=dict, description="Words of your own about the host.")

    @model_validator(mode="after")
    def _check(self) -> HostFields:
        if self.password_env is not None and self.password_file is not None:
            raise Misfit("give 'password_env' or 'password_file', not both", at=("password_file",))
        if self.python.startswith("~"):
            raise Misfit("'~' is not expanded here: no shell reads it", at=("python",), hint="write the whole path")
        if self.address is not None and self.address.startswith("-"):
            raise Misfit("may not begin with '-'", at=("address",))
        if self.work_dir.rstrip("/") in ("", "~") or ".." in self.work_dir.split("/"):
            raise Misfit("must be a folder of its own, without '..'", at=("work_dir",), hint="such as ~/jobctl")
        if self.runtime == "bare" and self.container != Container():
            raise Misfit("means nothing with 'runtime: bare'", at=("container",), hint="runtime: docker")
        return self


class Host(HostFields):
    """A host of the inventory, its defaults filled in."""

    name: Label = Field(description="The host's key in the inventory.")
    address: Filled

    @model_validator(mode="before")
    @classmethod
    def _address_is_the_name(cls, written: Any) -> Any:
        if isinstance(written, dict) and written.get("address") is None:
            return {**written, "address": written.get("name")}
        return written


class Inventory(Part):
    """All hosts, by name."""

    hosts: dict[str, Host]
    source: str = Field("", description="The file they were read from, for messages.")


class InventoryFile(Part):
    """The file as it is written; the hosts are validated one by one, over the defaults."""

    defaults: dict[str, Any] = Field(default_factory=dict, description="Any field of a host; holds for all of them.")
    hosts: dict[Label, dict[str, Any] | None] = Field(min_length=1, description="The hosts, by name.")


def load_inventory(text: str, source: str) -> Inventory:
    """Parse and validate an inventory. Raises ConfigError."""
    document = load_yaml(text, source)
    written = validate(InventoryFile, document)
    hosts: dict[str, Host] = {}
    found: list[Problem] = []
    for name, own in written.hosts.items():
        fields = {**written.defaults, **(own or {})}
        try:
            HostFields.model_validate(fields)
            hosts[name] = Host.model_validate({**fields, "name": name})
        except ValidationError as error:
            found += [_placed(problem, name, document) for problem in problems(HostFields, error)]
    if found:
        raise config_error(found, document)
    return Inventory(hosts=hosts, source=source)


def _placed(problem: Problem, name: str, document: Document) -> Problem:
    """Where the value was written: with the host, or in the defaults."""
    at_host = ("hosts", name, *problem.path)
    in_defaults = ("defaults", *problem.path)
    path = in_defaults if at_host not in document.marks and in_defaults in document.marks else at_host
    hint = problem.hint
    if problem.path and (better := _SECRET_KEYS.get(str(problem.path[-1]))):
        hint = f"secrets do not stand in files that are shared; use {better!r}"
    return Problem(path, problem.what, hint, problem.shown)


def pick_host(inventory: Inventory, name: str | None) -> Host:
    """The host of that name; without one, the only host there is. Raises InputError that lists the hosts."""
    names = list(inventory.hosts)
    if name is None and len(names) == 1:
        return inventory.hosts[names[0]]
    if name is None:
        what = f"the inventory has {len(names)} hosts and none was chosen"
        raise InputError(what, where=inventory.source, hint=f"choose one with --host: {', '.join(names)}")
    if name not in inventory.hosts:
        hint = did_you_mean(name, names, several="hosts")
        raise InputError("no such host in the inventory", where=inventory.source, value=name, hint=hint)
    return inventory.hosts[name]
