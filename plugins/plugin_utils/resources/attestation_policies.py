# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies of the attestation service (TPM mode): baselines, code integrity policies, and the built-in ones on or off.

Which property of a policy shows its state is not published; the parameters -State and -PolicyType are, so each state
and type is asked for by parameter. What a policy holds cannot be read back: a new content needs a new name, which is
made of the content where an item names a class instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import CODE_INTEGRITY_POLICY, TPM_BASELINE
from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_service import missing
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import ANY_ERROR, Call, File, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain, certainly
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.policy_names import (
    MOST_OF_A_CLASS,
    content_name,
    is_class,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

BUILT_IN_PREFIX = "Hgs_"
_STATES = ("Enabled", "Disabled", "Locked")
_ADD = {"SecureBootSettings": "Add-HgsAttestationTpmPolicy", "CiPolicy": "Add-HgsAttestationCIPolicy"}
"""Cmdlet that adds a policy of a type, in the words of Microsoft's PolicyType: SecureBootSettings is a TPM baseline."""
_PATHS = {"SecureBootSettings": "baseline", "CiPolicy": "code_integrity_policy"}
"""Option that holds the artifact of a type."""
_KINDS = {"SecureBootSettings": TPM_BASELINE, "CiPolicy": CODE_INTEGRITY_POLICY}

LOCKED = Kind(
    "GF-APO-001",
    Owner.GUARDIAN,
    "is locked: HGS does not let it be disabled or removed",
    "leave it enabled",
)
BUILT_IN = Kind(
    "GF-APO-002",
    Owner.GUARDIAN,
    "is built in, and what HGS is born with is not removed by this module",
    "disable it instead, if you mean to do without it for every host",
)
NO_CONTENT = Kind(
    "GF-APO-003",
    Owner.GUARDIAN,
    "is not registered, and config has nothing to register",
    "set baseline or code_integrity_policy to an artifact, or correct the name",
)
TWO_CONTENTS = Kind(
    "GF-APO-004",
    Owner.CONTROLLER,
    "is given both a baseline and a code integrity policy",
    "make two policies of it, with two names",
)
OTHER_TYPE = Kind(
    "GF-APO-005",
    Owner.GUARDIAN,
    "is registered as a policy of another type",
    "choose another name, or remove the registered one first",
)
NO_NAME = Kind(
    "GF-APO-006",
    Owner.CONTROLLER,
    "needs one of a name and a class",
    "name it, or say of which class the artifact is and the name is made of its content",
)
NO_CLASS = Kind(
    "GF-APO-007",
    Owner.CONTROLLER,
    "is no class that a name can be made of",
    f"use letters, digits, dots, hyphens and underscores, {MOST_OF_A_CLASS} at most, and set the artifact too",
)


def _is_built_in(item: Item) -> bool:
    return str(item["name"]).casefold().startswith(BUILT_IN_PREFIX.casefold())


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    prepared: list[Item] = []
    problems: list[Problem] = []
    for item in config:
        thing = f"the policy {item.get('name') or item.get('class') or ''}".rstrip()
        types = [name for name, option in _PATHS.items() if item.get(option) is not None]
        if len(types) > 1:
            problems.append(Problem(TWO_CONTENTS, thing))
        elif (item.get("name") is None) is (item.get("class") is None):
            problems.append(Problem(NO_NAME, thing))
        elif item.get("class") is not None and not (types and is_class(str(item["class"]))):
            problems.append(Problem(NO_CLASS, repr(item["class"])))
        else:
            typed = {**item, **({"type": types[0]} if types else {})}
            prepared.append(typed if item.get("class") is None else {**typed, "name": _name(item, types[0])})
    if problems:
        raise FabricError(*problems)
    return prepared


def _name(item: Item, policy_type: str) -> str:
    artifact = certainly(Artifact, item[_PATHS[policy_type]], "it is an option with an artifact kind")
    if artifact.content is None:  # check mode, ahead of the capture
        return f"{item['class']} (fingerprint)"
    return str(content_name(str(item["class"]), _KINDS[policy_type].fingerprint(artifact.content)))


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    cmdlet, select, accept = "Get-HgsAttestationPolicy", ("Name",), (ANY_ERROR,)
    return (
        *(Call(cmdlet, {"State": state}, id=state, select=select, accept=accept) for state in _STATES),
        *(Call(cmdlet, {"PolicyType": [name]}, id=name, select=select, accept=accept) for name in _ADD),
    )


def _read(results: Results, _config: Sequence[Item]) -> Reading:
    types = {name.casefold(): policy_type for policy_type in _ADD for name in results.names(policy_type)}
    state: dict[str, dict[str, object]] = {}
    for policy_state in _STATES:
        for name in results.names(policy_state):
            item: dict[str, object] = {"name": name, "enabled": policy_state != "Disabled"}
            if name.casefold() in types:
                item["type"] = types[name.casefold()]
            state[name.casefold()] = {**item, "locked": policy_state == "Locked"}
    return Reading(state, missing=missing(results, _STATES[0]))


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    item = certain(before or after, "nothing to nothing is no change")
    thing = f"the policy {item['name']}"
    if after is None:
        return (Problem(BUILT_IN, thing),) if _is_built_in(item) else ()
    if before is None:
        return ()
    if before["locked"] and not after["enabled"]:
        return (Problem(LOCKED, thing),)
    if before.get("type") != after.get("type"):
        return (Problem(OTHER_TYPE, thing, f"it is of type {before.get('type', 'unknown')}"),)
    return ()


def _require(before: Item | None, after: Item | None) -> Sequence[Problem]:
    if before is None and after is not None and after.get("type") is None:
        return (Problem(NO_CONTENT, f"the policy {after['name']}"),)
    return ()


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    if after is None:
        before = certain(before, "nothing to nothing is no change")
        return (changing("Remove-HgsAttestationPolicy", {"Name": str(before["name"])}),)
    name = {"Name": str(after["name"])}
    steps: list[Step] = []
    if before is None and after.get("type") is not None:
        policy_type = str(after["type"])
        artifact = certainly(Artifact, after[_PATHS[policy_type]], "it is an option with an artifact kind")
        steps.append(changing(_ADD[policy_type], {**name, "Path": File(artifact.content or b"", artifact.name)}))
    # A policy that was just added is enabled.
    enabled = True if before is None and steps else before is not None and before["enabled"]
    if enabled != after["enabled"]:
        steps.append(
            changing("Enable-HgsAttestationPolicy" if after["enabled"] else "Disable-HgsAttestationPolicy", name)
        )
    return steps


RESOURCE = Resource(
    name="attestation_policies",
    owner=Owner.GUARDIAN,
    options=(
        Option("name", Role.KEY),
        Option("class", Role.INPUT),
        Option("enabled", type="bool", default=True),
        Option("type", Role.DERIVED),
        Option("baseline", Role.INPUT, type="path", artifact=TPM_BASELINE, approval=True),
        Option("code_integrity_policy", Role.INPUT, type="path", artifact=CODE_INTEGRITY_POLICY, approval=True),
        Option("locked", Role.COMPUTED, type="bool"),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    require=_require,
    keeps=_is_built_in,
)
