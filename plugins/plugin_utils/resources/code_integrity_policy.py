# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The code integrity policy of a host, in force after a restart: scanned on a reference host, or out of the exchange.

New-CIPolicy gives another policy at each run, so a scan is made once: its XML file stays on the host and is the policy.
A policy is in force when its file was written before the last start. That is read from the file's time because no
published output names the policy that is in force; a clock that was moved since the start can mislead it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import CODE_INTEGRITY_POLICY
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import (
    ANY_ERROR,
    Call,
    File,
    Restart,
    Results,
    Step,
    changing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain, certainly
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import SINGLE, Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_of, texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Value
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

FOLDER = r"C:\Windows\System32\CodeIntegrity"
ACTIVE = rf"{FOLDER}\SIPolicy.p7b"
XML = rf"{FOLDER}\GuardedFabric.xml"
BINARY = rf"{FOLDER}\GuardedFabric.p7b"
"""Where a scan is kept: only administrators write there, and Windows loads no policy of that name from there."""

LEVELS = (
    "None",
    "Hash",
    "FileName",
    "FilePath",
    "SignedVersion",
    "PFN",
    "Publisher",
    "FilePublisher",
    "LeafCertificate",
    "PcaCertificate",
    "RootCertificate",
    "WHQL",
    "WHQLPublisher",
    "WHQLFilePublisher",
)
"""What New-CIPolicy takes as a level (PSD ConfigCI)."""

_NO_FILE = "PathNotFound"
_ENFORCEMENT = {0: "off", 1: "audit", 2: "enforced"}

NO_SOURCE = Kind(
    "GF-CIP-001",
    Owner.CONTROLLER,
    "needs one source for its code integrity policy",
    "set either policy (an artifact) or scan (on a reference host)",
)


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    prepared = []
    for item in config:
        sources = [name for name in ("policy", "scan") if item.get(name) is not None]
        if len(sources) > 1:
            raise FabricError(Problem(NO_SOURCE, "this host", "it has both"))
        prepared.append({**item, "active": True} if sources else item)
    return prepared


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call(
            "Get-CimInstance",
            {"ClassName": "Win32_OperatingSystem"},
            id="system",
            select=("LastBootUpTime",),
        ),
        Call(
            "Get-CimInstance",
            {"ClassName": "Win32_DeviceGuard", "Namespace": r"root\Microsoft\Windows\DeviceGuard"},
            id="guard",
            select=("CodeIntegrityPolicyEnforcementStatus", "UsermodeCodeIntegrityPolicyEnforcementStatus"),
            accept=(ANY_ERROR,),
        ),
        Call("Get-Item", {"LiteralPath": [ACTIVE]}, id="active", select=("LastWriteTime",), accept=(_NO_FILE,)),
        Call("Get-Item", {"LiteralPath": [XML]}, id="scan", select=("FullName",), accept=(_NO_FILE,)),
        # Windows PowerShell and PowerShell 7 have different ids for a file that is not there.
        *(
            Call(
                "Get-FileHash",
                {"LiteralPath": [path], "Algorithm": "SHA256"},
                id=f"{name}-hash",
                select=("Hash",),
                accept=(ANY_ERROR,),
            )
            for name, path in (("active", ACTIVE), ("binary", BINARY))
        ),
    )


def _wanted_hash(results: Results, config: Sequence[Item]) -> str:
    """Return the SHA-256 of the policy that config asks for, as far as it exists yet."""
    artifact = next((item["policy"] for item in config if item.get("policy") is not None), None)
    if isinstance(artifact, Artifact):
        return hashlib.sha256(artifact.content).hexdigest() if artifact.content is not None else ""
    return str(results.first("binary-hash").get("Hash", "")).lower()


def _read(results: Results, config: Sequence[Item]) -> Reading:
    applied = str(results.first("active-hash").get("Hash", "")).lower()
    written = str(results.first("active").get("LastWriteTime", ""))
    # Both are ISO 8601 in UTC with the same number of digits, so they compare as text.
    pending = bool(applied) and written >= str(results.first("system").get("LastBootUpTime", ""))
    is_applied = bool(applied) and applied == _wanted_hash(results, config)
    guard = results.first("guard")
    item = {
        "active": is_applied and not pending,
        "is_applied": is_applied,
        "is_scanned": results.error("scan") is None,
        "sha256": applied or None,
        "restart_pending": pending,
        "kernel_enforcement": name_of(guard.get("CodeIntegrityPolicyEnforcementStatus"), _ENFORCEMENT),
        "user_enforcement": name_of(guard.get("UsermodeCodeIntegrityPolicyEnforcementStatus"), _ENFORCEMENT),
    }
    return Reading({SINGLE: item})


def _refuse(_before: Item | None, after: Item | None) -> Sequence[Problem]:
    sources = () if after is None else [name for name in ("policy", "scan") if after.get(name) is not None]
    return () if sources else (Problem(NO_SOURCE, "this host"),)


def _scan(options: Mapping[str, object]) -> Step:
    fallback: Value = texts(options.get("fallback") or ["Hash"])
    return changing(
        "New-CIPolicy",
        {
            "FilePath": XML,
            "Level": str(options.get("level") or "FilePublisher"),
            "Fallback": fallback,
            "UserPEs": options.get("user_mode") is not False,
        },
    )


def _numbers(value: object) -> list[int]:
    return [int(text) for text in texts(value)]


def _compiled(options: Mapping[str, object]) -> Sequence[Step]:
    hvci = options.get("hypervisor_enforced")
    return (
        *(
            changing("Set-RuleOption", {"FilePath": XML, "Option": number})
            for number in _numbers(options.get("rule_options"))
        ),
        *(
            changing("Set-RuleOption", {"FilePath": XML, "Option": number, "Delete": True})
            for number in _numbers(options.get("removed_rule_options"))
        ),
        *(
            []
            if hvci is None
            else [changing("Set-HVCIOptions", {"FilePath": XML, "Enabled" if hvci else "None": True})]
        ),
        # Always anew: Copy-Item hands the time of its source on, and that has to be of this start of Windows.
        changing("ConvertFrom-CIPolicy", {"XmlFilePath": XML, "BinaryFilePath": BINARY}),
    )


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    after = certain(after, "there is no state that removes the policy")
    present: Item = before or {}
    restart = Restart("the code integrity policy takes effect with it")
    if present.get("is_applied"):
        return (restart,)
    artifact = after.get("policy")
    if isinstance(artifact, Artifact):
        source: Value = File(artifact.content or b"", artifact.name)
        made: Sequence[Step] = ()
    else:
        options = certainly(dict, after.get("scan"), "refused without")
        source = BINARY
        made = (*(() if present.get("is_scanned") else (_scan(options),)), *_compiled(options))
    return (*made, changing("Copy-Item", {"LiteralPath": [source], "Destination": ACTIVE, "Force": True}), restart)


RESOURCE = Resource(
    name="code_integrity_policy",
    owner=Owner.FABRIC,
    options=(
        Option("policy", Role.INPUT, type="path", artifact=CODE_INTEGRITY_POLICY),
        Option(
            "scan",
            Role.INPUT,
            type="dict",
            suboptions=(
                Option("level", Role.INPUT, choices=LEVELS),
                Option("fallback", Role.INPUT, type="list", elements="str", choices=LEVELS),
                Option("user_mode", Role.INPUT, type="bool"),
                Option("rule_options", Role.INPUT, type="list", elements="int"),
                Option("removed_rule_options", Role.INPUT, type="list", elements="int"),
                Option("hypervisor_enforced", Role.INPUT, type="bool"),
            ),
        ),
        Option("active", Role.DERIVED, type="bool"),
        Option("sha256", Role.COMPUTED),
        Option("restart_pending", Role.COMPUTED, type="bool"),
        Option("kernel_enforcement", Role.COMPUTED),
        Option("user_enforcement", Role.COMPUTED),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    single=True,
    states=("merged", "gathered", "rendered"),
)
