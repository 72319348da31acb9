# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Virtual machines of a host that get a key protector, a virtual TPM and the shielding policy, and are started.

What cannot be shielded is refused for the reasons that Microsoft's GuardedFabricTools give: another key protector makes
the virtual TPM unreadable, and checkpoints or parent disks stay as readable as they were. Who may start a machine is
compared by the certificates in the protector: HGS may give it a new transport key, and then its bytes differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import key_protector
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import KEY_PROTECTOR, key_protector_holders
from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_status import PASSED, attestation
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import (
    ANY_ERROR,
    CMDLET_MISSING,
    Bytes,
    Call,
    Ref,
    Results,
    Step,
    changing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_in, same_text, same_texts, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

RUNNING, OFF = "running", "off"
OLDEST_VERSION = 8.0
_PROTECTION = ("owner", "guardians", "tpm", "encrypt_state", "shielded")
_NOT_FOUND = "InvalidParameter"
"""Error id of Hyper-V's cmdlets for a name that no virtual machine has."""

HYPER_V_MISSING = Kind(
    "GF-SVM-001",
    Owner.FABRIC,
    "has no Hyper-V",
    "install the features Hyper-V and HostGuardian with their management tools, and restart",
)
VM_MISSING = Kind(
    "GF-SVM-002",
    Owner.FABRIC,
    "is no virtual machine of this host",
    "correct the name, or run this on the host that has it",
)
GENERATION = Kind(
    "GF-SVM-003",
    Owner.TENANT,
    "is not of generation 2, and only such a virtual machine can be shielded",
    "make a new virtual machine of generation 2 and move the workload",
)
VERSION = Kind(
    "GF-SVM-004",
    Owner.FABRIC,
    "has a configuration version below 8.0",
    "shut it down and run Update-VMVersion; it cannot go back to older hosts then",
)
SECURE_BOOT = Kind(
    "GF-SVM-005",
    Owner.TENANT,
    "has Secure Boot switched off",
    "switch it on with Set-VMFirmware and see that the guest starts with it",
)
NOT_OFF = Kind(
    "GF-SVM-006",
    Owner.TENANT,
    "is not off",
    "shut it down, or set allow_stop if this may do so",
)
CHECKPOINTS = Kind(
    "GF-SVM-007",
    Owner.TENANT,
    "has checkpoints, which would stay as readable as they are",
    "remove the checkpoints and wait until their disks are merged",
)
DIFFERENCING_DISK = Kind(
    "GF-SVM-008",
    Owner.TENANT,
    "has a differencing disk, whose parent would stay as readable as it is",
    "merge the disk into one of its own",
)
OTHER_PROTECTOR = Kind(
    "GF-SVM-009",
    Owner.TENANT,
    "has a key protector of another owner or for other guardians",
    "grant or revoke access with the owner's keys; another protector would make its virtual TPM unreadable",
)
NO_PROTECTOR = Kind(
    "GF-SVM-010",
    Owner.TENANT,
    "has no key protector, and config has none for it",
    "set key_protector to the one that the tenant made",
)
UNSHIELDING = Kind(
    "GF-SVM-011",
    Owner.TENANT,
    "cannot be given less protection on the fabric",
    "its owner does that on a machine that has the owner's keys",
)
NOT_GUARDED = Kind(
    "GF-SVM-012",
    Owner.FABRIC,
    "cannot be started: this host does not pass attestation",
    "see what the module guarded.fabric.hgs_client says about the host",
)
CONTRADICTION = Kind(
    "GF-SVM-013",
    Owner.CONTROLLER,
    "is to be shielded without what shielding consists of",
    "leave out tpm and encrypt_state, or set them to true",
)


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    prepared, problems = [], []
    for given in config:
        item = dict(given)
        if item.get("shielded"):
            if item.get("tpm") is False or item.get("encrypt_state") is False:
                problems.append(Problem(CONTRADICTION, f"the virtual machine {item['name']}"))
            item.update(tpm=True, encrypt_state=True)
        artifact = item.get("key_protector")
        if isinstance(artifact, Artifact) and artifact.content is not None:
            owner, guardians = key_protector_holders(artifact.content)
            item.update(owner=owner, guardians=list(guardians))
        prepared.append(item)
    if problems:
        raise FabricError(*problems)
    return prepared


def _details(number: int, name: str) -> Sequence[Call]:
    named = {"VMName": name}
    accept = (_NOT_FOUND, CMDLET_MISSING)
    return (
        Call(
            "Get-VMSecurity",
            named,
            id=f"security-{number}",
            select=("Shielded", "TpmEnabled", "EncryptStateAndVmMigrationTraffic"),
            accept=accept,
        ),
        Call("Get-VMKeyProtector", named, id=f"protector-{number}", accept=accept),
        # Generation 1 has no such firmware, and the id of that error is not published.
        Call("Get-VMFirmware", named, id=f"firmware-{number}", select=("SecureBoot",), accept=(ANY_ERROR,)),
        Call("Get-VMSnapshot", named, id=f"checkpoints-{number}", select=("Name",), accept=accept),
        Call("Get-VMHardDiskDrive", named, id=f"drives-{number}", select=("Path",), accept=accept),
        # Of a machine without disks, or one that is not there, there is nothing to ask for.
        Call(
            "Get-VHD",
            {"Path": Ref(f"drives-{number}", ("Path",))},
            id=f"disks-{number}",
            select=("Path", "ParentPath"),
            accept=(ANY_ERROR,),
        ),
    )


def _observe(config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call("Get-VM", id="machines", select=("Name", "State", "Generation", "Version"), accept=(CMDLET_MISSING,)),
        Call(
            "Get-HgsClientConfiguration",
            id="client",
            select=("AttestationStatus",),
            accept=(CMDLET_MISSING,),
        ),
        *(call for number, item in enumerate(config) for call in _details(number, str(item["name"]))),
    )


def _holders(results: Results, number: int) -> Item:
    raw = next((item for item in results.scalars(f"protector-{number}") if isinstance(item, bytes)), b"")
    if len(raw) <= len(key_protector.NONE):
        return {}
    try:
        owner, guardians = key_protector_holders(raw)
    except FormatError as error:
        return {"owner": f"unknown: {error}", "guardians": []}
    return {"owner": owner, "guardians": list(guardians)}


def _detailed(results: Results, number: int) -> Item:
    security = results.first(f"security-{number}")
    return {
        **_holders(results, number),
        "tpm": bool(security.get("TpmEnabled")),
        "encrypt_state": bool(security.get("EncryptStateAndVmMigrationTraffic")),
        "shielded": bool(security.get("Shielded")),
        "secure_boot": str(results.first(f"firmware-{number}").get("SecureBoot", "")) != "Off",
        "checkpoints": list(results.names(f"checkpoints-{number}")),
        "differencing_disks": [
            str(disk.get("Path")) for disk in results.objects(f"disks-{number}") if disk.get("ParentPath")
        ],
    }


def _read(results: Results, config: Sequence[Item]) -> Reading:
    """Return the machines that config names, in full; without config, those there are, with what Get-VM says."""
    if results.error("machines") is not None:
        return Reading({}, missing=Problem(HYPER_V_MISSING, ""))
    numbers = {str(item["name"]).casefold(): number for number, item in enumerate(config)}
    guarded = attestation(results.first("client").get("AttestationStatus"), None).status == PASSED
    state = {}
    for machine in results.objects("machines"):
        key = name_in(machine, "Name").casefold()
        if config and key not in numbers:
            continue
        state[key] = {
            "name": name_in(machine, "Name"),
            "power": str(machine.get("State", "")).lower(),
            "generation": int(str(machine.get("Generation", 0))),
            "version": str(machine.get("Version", "")),
            "host_guarded": guarded,
            **(_detailed(results, numbers[key]) if key in numbers else {}),
        }
    return Reading(state)


def _is_protected_anew(before: Item, after: Item) -> bool:
    return any(
        not same_texts(before.get(name), after.get(name))
        if name == "guardians"
        else before.get(name) != after.get(name)
        for name in _PROTECTION
    )


def _is_other_protector(before: Item, after: Item) -> bool:
    return before.get("owner") is not None and (
        not same_text(before["owner"], after.get("owner"))
        or not same_texts(before["guardians"], after.get("guardians"))
    )


def _is_less(before: Item, after: Item) -> bool:
    return any(before[name] and not after.get(name) for name in ("shielded", "tpm", "encrypt_state"))


_OBSTACLES: tuple[tuple[Kind, Callable[[Item, Item], object]], ...] = (
    (GENERATION, lambda before, _after: "" if before["generation"] == 2 else before["generation"]),  # noqa: PLR2004
    (VERSION, lambda before, _after: "" if float(str(before["version"])) >= OLDEST_VERSION else before["version"]),
    (SECURE_BOOT, lambda before, _after: not before["secure_boot"]),
    (CHECKPOINTS, lambda before, _after: ", ".join(texts(before["checkpoints"]))),
    (DIFFERENCING_DISK, lambda before, _after: ", ".join(texts(before["differencing_disks"]))),
    (OTHER_PROTECTOR, lambda before, after: _is_other_protector(before, after) and f"its owner is {before['owner']}"),
    (UNSHIELDING, _is_less),
    (
        NOT_OFF,
        lambda before, after: (
            before["power"] != OFF and not (before["power"] == RUNNING and after.get("allow_stop")) and before["power"]
        ),
    ),
)
"""What keeps a machine from being protected; each says something true, as text where there is more to say."""


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    if before is None or after is None or not _is_protected_anew(before, after):
        return ()
    found = ((kind, applies(before, after)) for kind, applies in _OBSTACLES)
    thing = f"the virtual machine {after['name']}"
    return tuple(Problem(kind, thing, "" if detail is True else str(detail)) for kind, detail in found if detail)


def _require(before: Item | None, after: Item | None) -> Sequence[Problem]:
    after = certain(after, "there is no state that removes a machine")
    thing = f"the virtual machine {after['name']}"
    if before is None:
        return (Problem(VM_MISSING, thing),)
    problems = []
    if _is_protected_anew(before, after) and before.get("owner") is None and after.get("key_protector") is None:
        problems.append(Problem(NO_PROTECTOR, thing))
    if (
        after.get("power") == RUNNING
        and (after.get("tpm") or after.get("encrypt_state"))
        and not before["host_guarded"]
    ):
        problems.append(Problem(NOT_GUARDED, thing))
    return problems


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    after = certain(after, "there is no state that removes a machine")
    name = str(after["name"])
    present: Item = before or {"name": name}
    power = present.get("power", OFF)
    steps: list[Step] = []
    if power == RUNNING and (after.get("power") == OFF or _is_protected_anew(present, after)):
        steps.append(changing("Stop-VM", {"Name": [name], "Force": True}))
        power = OFF
    artifact = after.get("key_protector")
    if present.get("owner") is None and isinstance(artifact, Artifact):
        protector = Bytes(artifact.content or b"", artifact.name)
        steps.append(changing("Set-VMKeyProtector", {"VMName": name, "KeyProtector": protector}))
    if after.get("encrypt_state") and not present.get("encrypt_state"):
        steps.append(changing("Set-VMSecurity", {"VMName": name, "EncryptStateAndVmMigrationTraffic": True}))
    if after.get("shielded") and not present.get("shielded"):
        steps.append(changing("Set-VMSecurityPolicy", {"VMName": name, "Shielded": True}))
    if after.get("tpm") and not present.get("tpm"):
        steps.append(changing("Enable-VMTPM", {"VMName": name}))
    if after.get("power") == RUNNING and power != RUNNING:
        steps.append(changing("Start-VM", {"Name": [name]}))
    return steps


RESOURCE = Resource(
    name="shielded_vms",
    owner=Owner.FABRIC,
    options=(
        Option("name", Role.KEY, required=True, literal=True),
        Option("key_protector", Role.INPUT, type="path", artifact=KEY_PROTECTOR),
        Option("shielded", type="bool"),
        Option("tpm", type="bool"),
        Option("encrypt_state", type="bool"),
        Option("power", choices=(RUNNING, OFF)),
        Option("allow_stop", Role.INPUT, type="bool"),
        Option("owner", Role.DERIVED, same=same_text),
        Option("guardians", Role.DERIVED, type="list", elements="str", same=same_texts),
        Option("generation", Role.COMPUTED, type="int"),
        Option("version", Role.COMPUTED),
        Option("secure_boot", Role.COMPUTED, type="bool"),
        Option("checkpoints", Role.COMPUTED, type="list", elements="str"),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    require=_require,
    states=("merged", "gathered", "rendered"),
)
