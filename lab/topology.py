# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines a lab has: a YAML file, checked as strictly as a playbook's author would wish."""

from __future__ import annotations

import ipaddress
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from .world.model import Edition, MachineKind, WindowsVersion

T = TypeVar("T")

DEFAULT: Final = "default"
_RESERVED: Final = 10
_SPARE: Final = 16
_COMPUTER_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,15}")
_BUILT_IN: Final = Path(__file__).resolve().parent / "topologies"


class TopologyError(ValueError):
    """The topology is not usable; the message says where and why."""


@dataclass(frozen=True)
class Hardware:
    """A hardware class: machines of one class start with the same measurements."""

    name: str
    vendor: str
    firmware: str
    tpm_vendor: str
    option_roms: int = 1
    iommu: bool = True
    secure_boot: bool = True
    endorsement_certificates: bool = True


@dataclass(frozen=True)
class Group:
    """Machines that are alike; `name` has a place for the number, such as hgs{:02}."""

    kind: MachineKind
    name: str
    count: int = 1
    version: WindowsVersion = "2022"
    edition: Edition = "Datacenter"
    hardware: str = ""
    cluster: str = ""
    """For hosts: the failover cluster whose nodes they are."""


@dataclass(frozen=True)
class VirtualMachines:
    """Virtual machines, dealt to the hosts in turn; inside of each runs a guest that can be logged on to."""

    name: str = "vm{:02}"
    count: int = 0
    generation: int = 2
    configuration_version: str = "10.0"


@dataclass(frozen=True)
class Topology:
    """A lab. `network` is where its addresses are (IPv4); `time_scale`: world seconds per real second."""

    machines: tuple[Group, ...]
    hardware: tuple[Hardware, ...] = ()
    virtual_machines: tuple[VirtualMachines, ...] = ()
    network: str = "127.77.0.0/16"
    fabric_domain: str = "fabric.lab"
    time_scale: float = 60.0
    winrm_port: int = 15986
    http_port: int = 15980
    trusted_tpm_vendors: bool = False
    """Whether the HGS nodes come with the TPM vendors' roots, as after running setup.cmd of TrustedTpm.cab."""

    def addresses(self) -> list[str]:
        """Return addresses in order without the first ten: one per machine, and some for those that come later."""
        hosts = ipaddress.IPv4Network(self.network).hosts()
        return [str(next(hosts)) for _ in range(_RESERVED + self.size() + _SPARE)][_RESERVED:]

    def is_on_loopback(self) -> bool:
        """Say if nobody but this computer can reach its addresses."""
        return ipaddress.IPv4Network(self.network).is_loopback

    def names(self) -> set[str]:
        """Return the names of all machines."""
        return {name.format(number) for name, count in self.series() for number in range(1, count + 1)}

    def series(self) -> list[tuple[str, int]]:
        """Return for each group of machines or virtual machines the pattern of its names, and how many there are."""
        machines = [(group.name, group.count) for group in self.machines]
        return machines + [(group.name, group.count) for group in self.virtual_machines]

    def size(self) -> int:
        """Return how many machines there are, guests included."""
        return sum(count for _name, count in self.series())


def source(name: str) -> str:
    """Return the text of a topology that comes with the lab. Raises TopologyError."""
    path = _BUILT_IN / f"{name}.yml"
    if path.parent != _BUILT_IN or not path.is_file():
        known = ", ".join(sorted(item.stem for item in _BUILT_IN.glob("*.yml")))
        raise TopologyError(f"{name!r} is neither a file nor a built-in topology; those are {known}")
    return path.read_text(encoding="utf-8")


def text(topology: Topology) -> str:
    """Return a topology as YAML."""
    document = asdict(topology)
    return yaml.safe_dump({name: _plain(value) for name, value in document.items()}, sort_keys=False)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def with_network(topology: Topology, network: str) -> Topology:
    """Return the topology with other addresses. Raises TopologyError."""
    changed = replace(topology, network=network)
    _check(changed, "network")
    return changed


def parse(text: str, where: str) -> Topology:
    """Return the topology of a YAML document. Raises TopologyError."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TopologyError(f"{where}: {error}") from error
    topology = _read(Topology, document, where)
    _check(topology, where)
    return topology


def _check(topology: Topology, where: str) -> None:
    names = {item.name for item in topology.hardware}
    for group in topology.machines:
        if group.hardware and group.hardware not in names:
            raise TopologyError(f"{where}: no hardware is called {group.hardware!r}")
        if group.cluster and group.kind != "host":
            raise TopologyError(f"{where}: only hosts are nodes of a cluster, not {group.kind!r}")
        if group.kind == "guest":
            raise TopologyError(f"{where}: guests come with virtual_machines")
    if topology.virtual_machines and not any(group.kind == "host" for group in topology.machines):
        raise TopologyError(f"{where}: virtual machines need a host")
    if topology.time_scale <= 0:
        raise TopologyError(f"{where}: time_scale must be positive")
    _check_network(topology, where)
    _check_names(topology, where)


def _check_network(topology: Topology, where: str) -> None:
    try:
        network = ipaddress.IPv4Network(topology.network)
    except ValueError as error:
        raise TopologyError(f"{where}: network: {error}") from error
    if network.num_addresses < _RESERVED + topology.size() + _SPARE + 2:
        raise TopologyError(f"{where}: network: {topology.network} is too small for {topology.size()} machines")


def _check_names(topology: Topology, where: str) -> None:
    names: set[str] = set()
    for pattern, count in topology.series():
        try:
            made = [pattern.format(number) for number in range(1, count + 1)]
        except (IndexError, KeyError, ValueError) as error:
            raise TopologyError(f"{where}: name {pattern!r}: {error!r}") from error
        for name in made:
            if not _COMPUTER_NAME.fullmatch(name):
                raise TopologyError(f"{where}: {name!r} is no computer name: up to 15 of a-z, 0-9 and -")
            if name in names:
                raise TopologyError(
                    f"{where}: two machines would be called {name!r}; a name has a place such as {{:02}}"
                )
            names.add(name)


def _read(kind: type[T], value: object, where: str) -> T:
    """Build a dataclass from a mapping, with the types its annotations ask for."""
    if not isinstance(value, Mapping):
        raise TopologyError(f"{where}: a mapping is needed here")
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]  # every caller gives a dataclass
    for name in value:
        if name not in known:
            raise TopologyError(f"{where}: {name!r} is not known here; {', '.join(known)} are")
    for name, item in known.items():
        if name not in value and item.default is MISSING and item.default_factory is MISSING:
            raise TopologyError(f"{where}: {name} is needed")
    return kind(**{name: _value(hints[name], item, f"{where}: {name}") for name, item in value.items()})


def _value(hint: Any, value: object, where: str) -> object:  # noqa: ANN401 - a type hint
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise TopologyError(f"{where}: a list is needed here")
        item_type = get_args(hint)[0]
        return tuple(_read(item_type, item, f"{where}[{index}]") for index, item in enumerate(value))
    if get_origin(hint) in {Union, types.UnionType}:
        raise TypeError(hint)
    choices = get_args(hint)
    if choices:
        text = str(value)
        if text not in choices:
            raise TopologyError(f"{where}: {text!r} is none of {', '.join(choices)}")
        return text
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise TopologyError(f"{where}: {value!r} is no {hint.__name__}")
    return value
