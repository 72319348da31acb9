# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a fabric looks like, beside what is wrong with it: hosts, virtual machines, who may start them, certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .guardian_names import guardian_names, named
from .machine_health import SIGNING
from .report.model import Certificate, Host, Machine, VirtualMachine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .drift_conclusions import Seen


def machines(seen: Sequence[Seen]) -> list[Machine]:
    """Return every machine of the inventory."""
    return [Machine(item.name, item.part, not item.unseen_because, item.unseen_because) for item in seen]


def hosts(seen: Sequence[Seen]) -> list[Host]:
    """Return the guarded hosts; one that could not be read is neither guarded nor not."""
    return [_host(item.name, _before(item, "hgs_client")) for item in seen if item.part == "host"]


def _host(name: str, client: Mapping[str, Any] | None) -> Host:
    if client is None:
        return Host(name, guarded=None)
    return Host(
        name,
        guarded=client.get("is_host_guarded"),
        status=str(client.get("attestation_status") or ""),
        substatus=tuple(str(word) for word in client.get("attestation_substatus") or ()),
    )


def certificates(seen: Sequence[Seen]) -> list[Certificate]:
    """Return the certificates that any machine showed, each once for each machine."""
    return [
        Certificate(
            item.name, *(str(found[name]) for name in ("purpose", "subject", "thumbprint", "not_before", "not_after"))
        )
        for item in seen
        for found in item.certificates
    ]


def virtual_machines(seen: Sequence[Seen]) -> list[VirtualMachine]:
    """Return the declared virtual machines, with who may start them by name."""
    names = guardian_names(guardian for item in seen for guardian in _before(item, "guardians") or ())
    guarded = {host.name: host.guarded for host in hosts(seen)}
    # Of the service itself: a tenant tells of the certificates of other fabrics as well.
    service = (found for item in seen for found in item.health.get("service_certificates") or ())
    own = {str(found["thumbprint"]).upper() for found in service if found["purpose"] == SIGNING}
    found = []
    for item in seen:
        listed: Sequence[Mapping[str, Any]] = _before(item, "shielded_vms") or ()
        found += [
            _virtual_machine(machine, item.name, names, _can_start(machine, guarded.get(item.name), own))
            for machine in listed
        ]
    return found


def _virtual_machine(
    machine: Mapping[str, Any],
    host: str,
    names: Mapping[str, str],
    can_start: bool | None,  # noqa: FBT001 - a value
) -> VirtualMachine:
    guardians = machine.get("guardians")
    return VirtualMachine(
        name=str(machine["name"]),
        host=host,
        power=str(machine.get("power") or ""),
        shielded=machine.get("shielded"),
        owner=named(machine.get("owner"), names),
        guardians=None if guardians is None else tuple(named(guardian, names) for guardian in guardians),
        can_start=can_start,
    )


def _can_start(machine: Mapping[str, Any], guarded: bool | None, own: set[str]) -> bool | None:  # noqa: FBT001 - a value
    """Tell whether a machine can start on its host; `own` are the signing certificates of the host's own service."""
    if machine.get("tpm") is False:
        return True
    admitted = machine.get("guardians")
    if guarded is False:
        return False
    if guarded is None or admitted is None or not own:
        return None
    return bool(own & {str(guardian).upper() for guardian in admitted})


def _before(item: Seen, resource: str) -> Any:  # noqa: ANN401 - a list of items, or the only one
    """Return what a machine showed of a resource, or None where that is not known."""
    verdict = item.resources.get(resource)
    if verdict is None or verdict["unknown"] or verdict["missing"] is not None:
        return None
    return verdict["before"]
