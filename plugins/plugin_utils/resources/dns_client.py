# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The DNS servers that a network adapter asks: a server that joins HGS has to find the HGS domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.network_names import address_problems
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import SINGLE, Option, Reading, Resource
from ansible_collections.guarded.fabric.plugins.plugin_utils.texts import WILDCARDS
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_in, same_text, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

_LOOPBACK = "loopback"

ADAPTER_UNCLEAR = Kind(
    "GF-DNC-001",
    Owner.CONTROLLER,
    "has no network adapter that config clearly means",
    "set interface_alias to one of those that are named",
)


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    problems = [problem for item in config for problem in address_problems(texts(item.get("server_addresses")))]
    if problems:
        raise FabricError(*problems)
    return config


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call(
            "Get-DnsClientServerAddress",
            {"AddressFamily": ["IPv4"]},
            id="adapters",
            select=("InterfaceAlias", "ServerAddresses"),
        ),
    )


def _read(results: Results, config: Sequence[Item]) -> Reading:
    """Return the adapter that config names; without a name, the only one there is."""
    adapters = {
        alias: texts(item.get("ServerAddresses"))
        for item in results.objects("adapters")
        if not (alias := name_in(item, "InterfaceAlias")).casefold().startswith(_LOOPBACK)
    }
    asked = next((item["interface_alias"] for item in config if item.get("interface_alias") is not None), None)
    chosen = [alias for alias in adapters if asked is None or same_text(alias, asked)]
    if len(chosen) != 1 or WILDCARDS & set(chosen[0]):
        raise FabricError(Problem(ADAPTER_UNCLEAR, "this server", f"it has {', '.join(adapters) or 'none'}"))
    return Reading({SINGLE: {"interface_alias": chosen[0], "server_addresses": adapters[chosen[0]]}})


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    item = after or before or {}
    named = {"InterfaceAlias": [str(item.get("interface_alias") or "Ethernet")]}
    addresses = texts(after.get("server_addresses")) if after is not None else []
    if not addresses:
        return (changing("Set-DnsClientServerAddress", {**named, "ResetServerAddresses": True}),)
    return (changing("Set-DnsClientServerAddress", {**named, "ServerAddresses": addresses}),)


RESOURCE = Resource(
    name="dns_client",
    owner=Owner.GUARDIAN,
    options=(
        Option("interface_alias", literal=True, same=same_text),
        Option("server_addresses", type="list", elements="str"),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    single=True,
    states=("merged", "gathered", "rendered"),
)
