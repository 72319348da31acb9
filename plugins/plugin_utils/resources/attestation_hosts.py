# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts whose TPM the attestation service knows (TPM mode).

Add-HgsAttestationTpmHost raises an error for what is registered already, so hosts are looked up by name first. How HGS
makes the identifier it shows is not published, so it is reported and never compared: a host that got another TPM is
removed, then added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import platform_identifier
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import PLATFORM_IDENTIFIER
from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_service import missing
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import ANY_ERROR, Call, File, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain, certainly
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

SHARED_TPM = Kind(
    "GF-AHO-001",
    Owner.FABRIC,
    "have platform identifiers of one and the same TPM",
    "capture each identifier on the host it is named after",
)
NO_IDENTIFIER = Kind(
    "GF-AHO-002",
    Owner.GUARDIAN,
    "is not registered, and config has no platform identifier for it",
    "set path to the identifier that was captured from it",
)


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    identifiers = {
        str(item["name"]): platform_identifier.parse(artifact.content)
        for item in config
        if isinstance(artifact := item.get("path"), Artifact) and artifact.content is not None
    }
    shared = platform_identifier.shared_keys(identifiers)
    if shared:
        raise FabricError(*(Problem(SHARED_TPM, ", ".join(names)) for names in shared))
    return config


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (Call("Get-HgsAttestationTpmHost", id="hosts", select=("Name", "Identifier"), accept=(ANY_ERROR,)),)


def _read(results: Results, _config: Sequence[Item]) -> Reading:
    hosts = {}
    for host in results.objects("hosts"):
        name = str(host.get("Name", ""))
        hosts[name.casefold()] = {"name": name, "identifier": str(host.get("Identifier", ""))}
    return Reading(hosts, missing=missing(results, "hosts"))


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    if before is None and after is not None and after.get("path") is None:
        return (Problem(NO_IDENTIFIER, f"the host {after['name']}"),)
    return ()


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    if after is None:
        before = certain(before, "nothing to nothing is no change")
        return (changing("Remove-HgsAttestationTpmHost", {"Name": str(before["name"])}),)
    artifact = certainly(Artifact, after.get("path"), "refused without")
    document = File(artifact.content or b"", artifact.name)
    return (changing("Add-HgsAttestationTpmHost", {"Name": str(after["name"]), "Path": document}),)


RESOURCE = Resource(
    name="attestation_hosts",
    owner=Owner.GUARDIAN,
    options=(
        Option("name", Role.KEY, required=True),
        Option("path", Role.INPUT, type="path", artifact=PLATFORM_IDENTIFIER, approval=True),
        Option("identifier", Role.COMPUTED),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    states=("merged", "overridden", "deleted", "gathered", "rendered"),
)
