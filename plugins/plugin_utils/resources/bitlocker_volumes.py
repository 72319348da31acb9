# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes inside of a guest, encrypted by BitLocker under its virtual TPM: what shielding leaves to the tenant.

Encrypting goes on in the background, and a shielded machine is not protected before it is done, so a run waits for it
(WSD guarded-fabric-create-vm-move-to-guarded-fabric).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import CMDLET_MISSING, Call, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_in, name_of, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Value
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

_DATA = "Data"
_ENCRYPTED, _DECRYPTED = "FullyEncrypted", "FullyDecrypted"
_BUSY = ("EncryptionInProgress", "DecryptionInProgress")

BITLOCKER_MISSING = Kind(
    "GF-BLK-001",
    Owner.TENANT,
    "has no BitLocker",
    "install the feature BitLocker and restart",
)
VOLUME_MISSING = Kind(
    "GF-BLK-002",
    Owner.TENANT,
    "is no volume of this machine",
    "correct mount_point; it is a drive letter with its colon, or a folder",
)
UNCLEAR = Kind(
    "GF-BLK-003",
    Owner.TENANT,
    "is in a state that this module does not change",
    "unlock it, or resume what was paused, by hand",
)


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call(
            "Get-BitLockerVolume",
            id="volumes",
            select=(
                "MountPoint",
                "VolumeStatus",
                "ProtectionStatus",
                "EncryptionPercentage",
                "VolumeType",
                "KeyProtector.KeyProtectorType",
            ),
            accept=(CMDLET_MISSING,),
        ),
    )


def _read(results: Results, config: Sequence[Item]) -> Reading:
    if results.error("volumes") is not None:
        return Reading({}, missing=Problem(BITLOCKER_MISSING, ""))
    asked = {str(item["mount_point"]).casefold() for item in config}
    state = {}
    for volume in results.objects("volumes"):
        mount_point = name_in(volume, "MountPoint")
        if asked and mount_point.casefold() not in asked:
            continue
        status = name_of(volume.get("VolumeStatus"), {})
        state[mount_point.casefold()] = {
            "mount_point": mount_point,
            "encrypted": status in (_ENCRYPTED, _BUSY[0]),
            "status": status,
            "protection": name_of(volume.get("ProtectionStatus"), {}),
            "percentage": volume.get("EncryptionPercentage"),
            "volume_type": name_of(volume.get("VolumeType"), {}),
            "key_protectors": texts(volume.get("KeyProtector.KeyProtectorType")),
        }
    return Reading(state, settling=", ".join(_busy(config, state)))


def _busy(config: Sequence[Item], state: dict[str, dict[str, object]]) -> list[str]:
    items = [state.get(str(item["mount_point"]).casefold(), {}) for item in config]
    return [
        f"{item['mount_point']} is encrypted to {item['percentage']} %" for item in items if item.get("status") in _BUSY
    ]


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    return [{**item, "encrypted": item.get("encrypted") is not False} for item in config]


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    if after is None or before is None:
        return ()
    wrong = before["status"] not in (_ENCRYPTED, _DECRYPTED, *_BUSY)
    return (Problem(UNCLEAR, str(after["mount_point"]), str(before["status"])),) if wrong else ()


def _require(before: Item | None, after: Item | None) -> Sequence[Problem]:
    if before is None and after is not None:
        return (Problem(VOLUME_MISSING, str(after["mount_point"])),)
    return ()


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    after = certain(after, "there is no state that removes a volume")
    named = {"MountPoint": [str(after["mount_point"])]}
    if not after["encrypted"]:
        return (changing("Disable-BitLocker", named),)
    if before is None or before["volume_type"] != _DATA:
        return (changing("Enable-BitLocker", {**named, "TpmProtector": True, "SkipHardwareTest": True}),)
    # A TPM opens the operating system's volume only, and that one opens the others.
    password: dict[str, Value] = {
        "RecoveryPasswordProtector": True,
        "SkipHardwareTest": True,
        # It shows the password as a warning, and warnings end in logs.
        "WarningAction": "SilentlyContinue",
    }
    return (changing("Enable-BitLocker", {**named, **password}), changing("Enable-BitLockerAutoUnlock", named))


RESOURCE = Resource(
    name="bitlocker_volumes",
    owner=Owner.TENANT,
    options=(
        Option("mount_point", Role.KEY, required=True),
        Option("encrypted", type="bool", default=True),
        Option("status", Role.COMPUTED),
        Option("protection", Role.COMPUTED),
        Option("percentage", Role.COMPUTED, type="float"),
        Option("volume_type", Role.COMPUTED),
        Option("key_protectors", Role.COMPUTED, type="list", elements="str"),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    require=_require,
    states=("merged", "gathered", "rendered"),
)
