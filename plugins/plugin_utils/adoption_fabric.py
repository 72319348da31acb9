# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fabric's part of a living fabric as variables: hosts with their classes and virtual machines, DNS servers."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from .adoption_guardian import kept_as
from .adoption_model import Adopted, Found, Shown, is_template, print_of
from .adoption_reading import IDENTIFIER, LOG, POLICY
from .artifact_kinds import ACTIVE_POLICY, BOOT_LOG, CODE_INTEGRITY_POLICY, KEY_PROTECTOR, TPM_BASELINE
from .exchange import is_name
from .problems import Kind, Owner, Problem
from .resources.hgs_client import HGS
from .resources.shielded_vms import OFF, RUNNING
from .windows_values import same_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .adoption_guardian import Classes
    from .exchange import ArtifactKind

NOT_KEPT = Kind(
    "GF-ADO-006",
    Owner.TENANT,
    "has a key protector that is not kept in the exchange directory; the machine keeps the one that it has",
    "rename the machine if its name is what stands in the way; else keep a copy of its protector by hand",
)
SIGNED = Kind(
    "GF-ADO-007",
    Owner.FABRIC,
    "has a code integrity policy that is signed, which the roles do not apply; they leave it as it is",
    "go on as you did; set guarded_host_software_class if an unsigned policy is to take its place",
)

REFERENCE = "guarded_fabric_is_reference"
"""Of a host's variables: whether its policy was made on it, so that it stands for its classes. It is not written."""

FEATURES = ("Hyper-V", "HostGuardian")
_SERVICE = re.compile(r"(https?)://([A-Za-z0-9.-]+)/Attestation")
_PROTECTED = ("shielded", "tpm", "encrypt_state")


def ready(hosts: Sequence[Shown], names: Mapping[str, str] | None) -> tuple[list[Shown], dict[str, str]]:
    """Return the hosts that can be adopted, and why others cannot, by name.

    names: as adoption_guardian.registered_as returns them; None where nobody knows which hosts are registered.
    """
    reasons = {host.name: _why_not(host, names) for host in hosts}
    return [host for host in hosts if not reasons[host.name]], {name: why for name, why in reasons.items() if why}


def _why_not(host: Shown, names: Mapping[str, str] | None) -> str:
    if host.unseen_because:
        return host.unseen_because
    unknown = [name for name in ("windows_features", "hgs_client") if host.state(name) is None]
    if unknown:
        return f"{', '.join(unknown)} could not be read"
    features = {str(item["name"]).casefold(): item for item in host.state("windows_features") or ()}
    lacking = [name for name in FEATURES if not features.get(name.casefold(), {}).get("installed")]
    if lacking:
        return f"it has no {' and no '.join(lacking)}"
    if host.single("hgs_client").get("mode") != HGS:
        return f"its HGS client is in mode {host.single('hgs_client').get('mode')}"
    if names is not None and host.name not in names:
        return "the Host Guardian Service does not know it"
    return "" if is_name(kept_as(host.name, names or {})) else "neither of its names can be a file's"


def adopt(hosts: Sequence[Shown], names: Mapping[str, str], classes: Mapping[str, Classes]) -> Adopted:
    """Return the part of the hosts, which can be adopted; without classes their baselines and policies are left out."""
    protectors, problems = _protectors(hosts)
    artifacts = list(protectors)
    variables: dict[str, dict[str, object]] = {}
    kept = {found.name for found in protectors}
    for host in hosts:
        name = kept_as(host.name, names)
        held, files, more = _evidence(host, name, classes)
        artifacts += files
        problems += more
        variables[host.name] = {**held, **_service(host), **_machines(host, kept)}
        if name != host.name:
            variables[host.name]["guarded_host_name"] = name
    return Adopted(variables, tuple(artifacts), tuple(problems))


def _evidence(
    host: Shown, name: str, classes: Mapping[str, Classes]
) -> tuple[dict[str, object], list[Found], list[Problem]]:
    """Return the classes of a host as variables, and what it started with, under its name for HGS."""
    policy = host.single("code_integrity_policy")
    hardware = _class(host, LOG, TPM_BASELINE, classes)
    content = host.artifact(POLICY)
    signed = content is not None and hashlib.sha256(content).hexdigest() != policy.get("sha256")
    pending = bool(policy.get("restart_pending"))
    software = "" if signed or pending else _class(host, POLICY, CODE_INTEGRITY_POLICY, classes)
    is_reference = bool(policy.get("active") and hardware and software and host.artifact(IDENTIFIER))
    variables: dict[str, object] = {REFERENCE: is_reference, **({"hardware_class": hardware} if hardware else {})}
    if software != f"{hardware}-software" or not hardware:
        variables["guarded_host_software_class"] = software
    evidence = ((BOOT_LOG, host.artifact(LOG)), (ACTIVE_POLICY, content))
    files = [
        Found(kind, name, found, host.name) for kind, found in evidence if found is not None and print_of(kind, found)
    ]
    return variables, files, [Problem(SIGNED, host.name)] if signed else []


def _class(host: Shown, artifact: str, kind: ArtifactKind, classes: Mapping[str, Classes]) -> str:
    by_print = classes[kind.folder].by_print if kind.folder in classes else {}
    return by_print.get(print_of(kind, host.artifact(artifact)), "")


def _service(host: Shown) -> dict[str, object]:
    """Return how the host reaches the service: by its name where both URLs follow from it."""
    client = host.single("hgs_client")
    attestation, protection = str(client["attestation_url"]), str(client["key_protection_url"])
    found = _SERVICE.fullmatch(attestation)
    if found is None or protection != f"{found[1]}://{found[2]}/KeyProtection":
        return {"guarded_host_attestation_url": attestation, "guarded_host_key_protection_url": protection}
    scheme = {} if found[1] == "http" else {"guarded_host_hgs_scheme": found[1]}
    return {"guarded_host_hgs_service": found[2], **scheme}


def protected(host: Shown) -> list[Mapping[str, Any]]:
    """Return the virtual machines of a host that have any protection, by name."""
    found = [
        item
        for item in host.state("shielded_vms") or ()
        if item.get("owner") or any(item.get(name) for name in _PROTECTED)
    ]
    return sorted((item for item in found if not is_template(str(item["name"]))), key=lambda item: str(item["name"]))


def _protectors(hosts: Sequence[Shown]) -> tuple[list[Found], list[Problem]]:
    """Return the key protectors to keep: those of machines with a name of their own that can be a file's."""
    machines = [(str(item["name"]), host) for host in hosts for item in protected(host) if item.get("owner")]
    counts = Counter(name.casefold() for name, _host in machines)
    found, problems = [], []
    for name, host in machines:
        content = host.protector(name)
        if content is None or not print_of(KEY_PROTECTOR, content):
            problems.append(Problem(NOT_KEPT, f"the virtual machine {name}", "it could not be read"))
        elif not is_name(name):
            problems.append(Problem(NOT_KEPT, f"the virtual machine {name}", "its name cannot be a file's"))
        elif counts[name.casefold()] > 1:
            problems.append(Problem(NOT_KEPT, f"the virtual machine {name}", "several hosts have one of that name"))
        else:
            found.append(Found(KEY_PROTECTOR, name, content, host.name))
    templates = [
        str(item["name"])
        for host in hosts
        for item in host.state("shielded_vms") or ()
        if is_template(str(item["name"]))
    ]
    problems += [Problem(NOT_KEPT, f"the virtual machine {name}", "its name reads as a template") for name in templates]
    return found, problems


def _machines(host: Shown, kept: set[str]) -> dict[str, object]:
    machines = protected(host)
    settings = {str(item["name"]): _settings(item, kept) for item in machines}
    different = {name: values for name, values in settings.items() if values}
    return {
        **({"shielded_vm_names": list(settings)} if settings else {}),
        **({"shielded_vm_machine_settings": different} if different else {}),
    }


def _settings(machine: Mapping[str, Any], kept: set[str]) -> dict[str, object]:
    """Return what of a machine is another than the role's own."""
    settings: dict[str, object] = {}
    if not machine.get("shielded"):
        settings |= {name: bool(machine.get(name)) for name in _PROTECTED}
    if machine["power"] != RUNNING:
        # Of one that is saved or paused nothing is asked.
        settings["power"] = OFF if machine["power"] == OFF else None
    if machine["name"] not in kept:
        settings["key_protector"] = None
    return settings


def adopt_dns(servers: Sequence[Shown], domain: str) -> Adopted:
    """Return the part of the DNS servers: those that forward questions about the HGS domain."""
    variables: dict[str, dict[str, object]] = {}
    left_out: dict[str, str] = {}
    for server in servers:
        zones = server.state("dns_conditional_forwarders")
        zone = next((item for item in zones or () if same_text(item["name"], domain)), None)
        if server.unseen_because:
            left_out[server.name] = server.unseen_because
        elif zones is None:
            left_out[server.name] = "its zones could not be read"
        elif not domain:
            left_out[server.name] = "no node of the Host Guardian Service says which domain it is to forward"
        elif zone is None:
            left_out[server.name] = f"it has no conditional forwarder for {domain}"
        else:
            variables[server.name] = {"hgs_node_addresses": list(zone["master_servers"])}
    return Adopted(variables, left_out=left_out)
