# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fabric's state as tables that a person reads: HGS nodes, guarded hosts, shielded virtual machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .disclosure import legible
from .guardian_names import guardian_names, named

Rows = Sequence[Sequence[str]]

_UNKNOWN = "unknown"
"""What is shown where a machine could not be asked: never the absence of a problem."""


def table(title: str, header: Sequence[str], rows: Rows) -> list[str]:
    """Return a table with columns as wide as they have to be; what hosts say is made legible."""
    rows = [[" ".join(legible(cell).split("\n")) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    return ["", title, *(f"  {line}" for line in lines)]


def _yes(value: object) -> str:
    return "yes" if value is True else "no" if value is False else _UNKNOWN


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "-"
    return _UNKNOWN if value is None else str(value)


def _nodes(nodes: Mapping[str, Mapping[str, Any] | None]) -> Rows:
    return [
        [name, *(_text((state or {}).get(key)) for key in ("phase", "domain", "service", "mode"))]
        for name, state in sorted(nodes.items())
    ]


def _code_integrity(policy: Mapping[str, Any] | None) -> str:
    """Return how code integrity is enforced since the start; programs where they differ from drivers."""
    state = policy or {}
    kernel, user = (_text(state.get(f"{part}_enforcement")) for part in ("kernel", "user"))
    told = kernel if kernel == user else f"{kernel}, programs {user}"
    return f"{told}, restart pending" if state.get("restart_pending") is True else told


def _hosts(hosts: Mapping[str, Mapping[str, Any] | None], policies: Mapping[str, Mapping[str, Any] | None]) -> Rows:
    return [
        [
            name,
            _yes((state or {}).get("is_host_guarded")),
            _text((state or {}).get("attestation_status")),
            _code_integrity(policies.get(name)),
            _text((state or {}).get("attestation_substatus")),
        ]
        for name, state in sorted(hosts.items())
    ]


def _machines(machines: Mapping[str, Sequence[Mapping[str, Any]] | None], names: Mapping[str, str]) -> Rows:
    rows = []
    for host, listed in sorted(machines.items()):
        for machine in listed or ():
            guardians = [named(thumbprint, names) or "-" for thumbprint in machine.get("guardians") or ()]
            rows.append(
                [
                    _text(machine.get("name")),
                    host,
                    _text(machine.get("power")),
                    _yes(machine.get("shielded")),
                    _yes(machine.get("tpm")),
                    named(machine.get("owner"), names) or "-",
                    ", ".join(guardians) or "-",
                ]
            )
    return sorted(rows)


def summary(
    nodes: Mapping[str, Mapping[str, Any] | None],
    hosts: Mapping[str, Mapping[str, Any] | None],
    policies: Mapping[str, Mapping[str, Any] | None],
    machines: Mapping[str, Sequence[Mapping[str, Any]] | None],
    guardians: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Return the lines of the summary.

    nodes: what hgs_server gathered, by node. hosts, policies, machines: what hgs_client, code_integrity_policy and
    shielded_vms gathered, by host. guardians: what the tenant's guardians module gathered; a thumbprint it does not
    know is shown shortened. A machine that could not be asked has nothing.
    """
    names = guardian_names(guardians)
    return [
        *table("Host Guardian Service", ["node", "phase", "domain", "service", "mode"], _nodes(nodes)),
        *table(
            "Guarded hosts",
            ["host", "guarded", "attestation", "code integrity", "substatus"],
            _hosts(hosts, policies),
        ),
        *table(
            "Virtual machines",
            ["name", "host", "power", "shielded", "vTPM", "owner", "may be started by hosts of"],
            _machines(machines, names),
        ),
    ]
