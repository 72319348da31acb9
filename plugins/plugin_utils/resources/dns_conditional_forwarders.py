# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Conditional forwarders of a DNS server: how the hosts of a fabric find the domain of their HGS.

Adding one that exists is an error, so zones are looked up first. The replication scope is set when a forwarder is added
and not compared: which property shows it for a forwarder is not published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import CMDLET_MISSING, Call, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain
from ansible_collections.guarded.fabric.plugins.plugin_utils.network_names import address_problems, domain_problems
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_in, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

_FORWARDER = "Forwarder"

SERVER_MISSING = Kind(
    "GF-DNS-001",
    Owner.FABRIC,
    "is no DNS server",
    "install the feature DNS with its management tools, or run this on the fabric's DNS server",
)
OTHER_ZONE = Kind(
    "GF-DNS-002",
    Owner.FABRIC,
    "is a zone of another type on this server",
    "remove the zone by hand if the forwarder is to take its place",
)
NO_MASTERS = Kind(
    "GF-DNS-003",
    Owner.CONTROLLER,
    "has no servers to forward to",
    "set master_servers to the addresses of all HGS nodes",
)


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    problems = [
        *domain_problems(str(item["name"]) for item in config),
        *address_problems(address for item in config for address in texts(item.get("master_servers"))),
    ]
    if problems:
        raise FabricError(*problems)
    return config


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call(
            "Get-DnsServerZone",
            id="zones",
            select=("ZoneName", "ZoneType", "MasterServers"),
            accept=(CMDLET_MISSING,),
        ),
    )


def _addresses(value: object) -> list[str]:
    # An IPAddress comes as text; a forwarder's may come with its port, as in 10.0.0.1:53.
    return [text.rsplit(":", 1)[0] if text.count(":") == 1 else text for text in texts(value)]


def _read(results: Results, config: Sequence[Item]) -> Reading:
    if results.error("zones") is not None:
        return Reading({}, missing=Problem(SERVER_MISSING, ""))
    asked = {str(item["name"]).casefold() for item in config}
    state = {}
    for zone in results.objects("zones"):
        name, zone_type = name_in(zone, "ZoneName"), str(zone.get("ZoneType", ""))
        if zone_type == _FORWARDER or name.casefold() in asked:
            state[name.casefold()] = {
                "name": name,
                "master_servers": _addresses(zone.get("MasterServers")),
                "zone_type": zone_type,
            }
    return Reading(state)


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    item = after or before or {}
    thing = f"the zone {item.get('name')}"
    if before is not None and before["zone_type"] != _FORWARDER:
        return (Problem(OTHER_ZONE, thing, str(before["zone_type"])),)
    if after is not None and not after.get("master_servers"):
        return (Problem(NO_MASTERS, thing),)
    return ()


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    if after is None:
        before = certain(before, "nothing to nothing is no change")
        return (changing("Remove-DnsServerZone", {"Name": str(before["name"]), "Force": True}),)
    masters = {"Name": str(after["name"]), "MasterServers": texts(after["master_servers"])}
    if before is not None:
        return (changing("Set-DnsServerConditionalForwarderZone", masters),)
    scope = after.get("replication_scope")
    stored = {} if scope is None else {"ReplicationScope": str(scope)}
    return (changing("Add-DnsServerConditionalForwarderZone", {**masters, **stored}),)


RESOURCE = Resource(
    name="dns_conditional_forwarders",
    owner=Owner.FABRIC,
    options=(
        Option("name", Role.KEY, required=True),
        Option("master_servers", type="list", elements="str"),
        Option("replication_scope", Role.INPUT, choices=("Forest", "Domain", "Legacy")),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    states=("merged", "overridden", "deleted", "gathered", "rendered"),
)
