# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of a lab; each trust domain's password is in a file of its own that only its owner can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from . import whole_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .topology import Topology
    from .world.factory import Passwords
    from .world.model import Machine, MachineKind, World

GROUPS: Final[Mapping[MachineKind, str]] = {
    "hgs": "hgs",
    "host": "guarded_hosts",
    "dns": "fabric_dns",
    "tenant": "tenant",
    "guest": "guests",
}
STRANGERS: Final = "strangers"
"""Group of the machines that came later and that nobody asked for."""

REFERENCE: Final = "reference_hosts"
"""Group of the first host of each hardware class: whose evidence stands for its class."""

_HEADER: Final = "# Written by the lab, and written anew each time it starts.\n---\n"


@dataclass(frozen=True)
class Trust:
    """Certificates in files: the lab's authority (PEM), and the TPM vendors' roots (DER)."""

    authority: Path
    tpm_roots: tuple[Path, ...]


def inventory(world: World, topology: Topology, trust: Trust, connection: str) -> dict[str, Any]:
    """Return the inventory as data."""
    expected = topology.names()
    children: dict[str, Any] = {group: {"hosts": {}} for group in (*GROUPS.values(), STRANGERS, REFERENCE)}
    classes: set[str] = set()
    # By name: a world that was saved and loaded may give its machines in another order.
    for machine in sorted(world.machines.values(), key=lambda machine: machine.name):
        group = GROUPS[machine.kind] if machine.name in expected else STRANGERS
        children[group]["hosts"][machine.name] = _variables(machine)
        if group == GROUPS["host"] and machine.hardware_class not in classes:
            classes.add(machine.hardware_class)
            children[REFERENCE]["hosts"][machine.name] = {}
    children[GROUPS["hgs"]]["vars"] = {"hgs_trusted_tpm_roots": [str(path) for path in trust.tpm_roots]}
    return {"all": {"vars": _connection(connection, topology, trust.authority), "children": children}}


def _variables(machine: Machine) -> dict[str, str]:
    variables = {"ansible_host": machine.address}
    if machine.hardware_class:
        variables["hardware_class"] = machine.hardware_class
    return variables


def _connection(connection: str, topology: Topology, authority: Path) -> dict[str, Any]:
    common = {"ansible_connection": connection, "ansible_port": topology.winrm_port, "ansible_user": "Administrator"}
    if connection == "psrp":
        special = {
            "ansible_psrp_protocol": "https",
            "ansible_psrp_auth": "ntlm",
            "ansible_psrp_ca_cert": str(authority),
        }
    else:
        special = {
            "ansible_winrm_scheme": "https",
            "ansible_winrm_transport": "ntlm",
            "ansible_winrm_ca_trust_path": str(authority),
        }
    return {**common, **special}


def write(directory: Path, content: Mapping[str, Any], passwords: Passwords) -> Path:
    """Write the inventory and its group_vars; return the path of the inventory file."""
    path = directory / "hosts.yml"
    _write(path, content, 0o644)
    domains = {**{group: kind for kind, group in GROUPS.items()}, STRANGERS: "host"}
    for group, kind in domains.items():
        _write(directory / "group_vars" / group / "password.yml", {"ansible_password": passwords.of(kind)}, 0o600)
    return path


def text(content: Mapping[str, Any]) -> str:
    """Return an inventory as YAML."""
    return _HEADER + yaml.safe_dump(dict(content), sort_keys=False)


def _write(path: Path, content: Mapping[str, Any], mode: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole_files.write(path, text(content).encode(), mode)
