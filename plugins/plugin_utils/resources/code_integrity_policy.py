# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The code integrity policy of a host, in force after a restart: scanned, an example, or out of the exchange.

New-CIPolicy gives another policy at each run, so a scan is made once: its XML file stays on the host and is the policy.
Its rule options may change later, from audit to enforcement above all. They are read from the binary that was compiled
last, as far as config asks for any.
A policy is in force when its file was written before the last start. That is read from the file's time because no
published output names the policy that is in force; a clock that was moved since the start can mislead it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, si_policy_xml, signed_policy
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.plugin_utils import policy_options, script_enforcement
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
from ansible_collections.guarded.fabric.plugins.plugin_utils.policy_options import (
    AUDIT_MODE,
    ENFORCED,
    asked,
    numbers_of,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import SINGLE, Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_of, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import Policy
    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Value
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

FOLDER = r"C:\Windows\System32\CodeIntegrity"
ACTIVE = rf"{FOLDER}\SIPolicy.p7b"
XML = rf"{FOLDER}\GuardedFabric.xml"
BINARY = rf"{FOLDER}\GuardedFabric.p7b"
"""Where a scan is kept: only administrators write there, and Windows loads no policy of that name from there."""

EXAMPLES = r"C:\Windows\schemas\CodeIntegrity\ExamplePolicies"
"""Where Windows has its examples (1709 and later; WSD capturing-hardware)."""
EXAMPLE_NAMES = ("AllowMicrosoft", "DefaultWindows_Enforced", "DefaultWindows_Audit", "AllowAll")
_OF_A_SCAN = frozenset({6, 9, 16, script_enforcement.AUDIT})
"""Rule options of a policy that New-CIPolicy makes; with -UserPEs it has USER_MODE too."""

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
    "set one of policy (an artifact), scan (on a reference host) and example (one of Windows' own)",
)
OTHER_MODE = Kind(
    "GF-CIP-004",
    Owner.CONTROLLER,
    "is a policy of another mode than config asks for",
    "change the mode where the policy was made, capture it again, and let the guardian register it first",
)
NOT_JUDGED = Kind(
    "GF-CIP-005",
    Owner.FABRIC,
    "has a code integrity policy that this collection cannot read, so that nobody can say what it would lock out",
    "make the policy anew with the tools of an older Windows, or set accept_constrained_language after you tried it",
)

OTHER_CONTENT = Kind(
    "GF-CIP-006",
    Owner.CONTROLLER,
    "is not the signed form of the policy that HGS is to know",
    "sign the policy of the exchange directory anew, or capture the other one and have it registered",
)

SOURCES = ("policy", "scan", "example")


def files_of(item: Item) -> tuple[str, str]:
    """Return where the XML and the binary of the policy lie that is made on the host itself."""
    example = item.get("example")
    if not isinstance(example, Mapping):
        return XML, BINARY
    return tuple(path.replace("GuardedFabric", f"GuardedFabric-{example['name']}") for path in (XML, BINARY))  # type: ignore[return-value]  # two of two


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    prepared = []
    for item in config:
        sources = [name for name in SOURCES if item.get(name) is not None]
        if len(sources) > 1:
            raise FabricError(Problem(NO_SOURCE, "this host", f"it has {' and '.join(sources)}"))
        policy_options.check(item)
        prepared.append({**item, "active": True} if sources else item)
    return prepared


def _observe(config: Sequence[Item]) -> Sequence[Call]:
    item: Item = config[0] if config else {}
    xml, binary = files_of(item)
    no_file, any_error = (_NO_FILE,), (ANY_ERROR,)
    example = item.get("example")
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
            accept=any_error,
        ),
        Call("Get-Item", {"LiteralPath": [ACTIVE]}, id="active", select=("LastWriteTime",), accept=no_file),
        Call("Get-Item", {"LiteralPath": [xml]}, id="scan", select=("FullName",), accept=no_file),
        # Windows PowerShell and PowerShell 7 have different ids for a file that is not there.
        *(
            Call(
                "Get-FileHash",
                {"LiteralPath": [path], "Algorithm": "SHA256"},
                id=f"{name}-hash",
                select=("Hash",),
                accept=any_error,
            )
            for name, path in (("active", ACTIVE), ("binary", binary))
        ),
        *([_content("binary", binary)] if asked(item).is_anything else []),
        *([_content("example", rf"{EXAMPLES}\{example['name']}.xml")] if isinstance(example, Mapping) else []),
    )


def _content(name: str, path: str) -> Call:
    return Call(
        "Get-Item", {"LiteralPath": [path]}, id=name, select=("FullName",), attach=("FullName",), accept=(ANY_ERROR,)
    )


def _wanted_hash(results: Results, config: Sequence[Item]) -> str:
    """Return the SHA-256 of the policy that config asks for, as far as it exists yet."""
    item: Item = config[0] if config else {}
    if isinstance(item.get("policy"), Artifact):
        content = _given(item)
        return "" if content is None else hashlib.sha256(content).hexdigest()
    return str(results.first("binary-hash").get("Hash", "")).lower()


def _given(item: Item) -> bytes | None:
    """Return the policy that config hands over: signed where there is a signed form; None for one yet to come."""
    signed, artifact = item.get("signed_policy"), item.get("policy")
    if isinstance(signed, File):
        return signed.content
    return artifact.content if isinstance(artifact, Artifact) else None


def _policy(results: Results, call: str, read: Callable[[bytes], Policy]) -> Policy | None:
    """Return a policy that came along with an observation; None where there is none, or one that cannot be read."""
    content = results.outcome(call).attachments.get("FullName")
    if not content:
        return None
    try:
        return read(content)
    except FormatError:
        return None


def _draft(results: Results, config: Sequence[Item]) -> frozenset[int] | None:
    """Return the rule options that the policy has or will have before config's are applied; None: nobody knows."""
    made = _policy(results, "binary", si_policy_binary.read)
    if made is not None:
        return numbers_of(made)
    if results.outcome("binary").attachments:
        return None
    item: Item = config[0] if config else {}
    if item.get("example") is not None:
        example = _policy(results, "example", si_policy_xml.read)
        return None if example is None else numbers_of(example)
    scan = item.get("scan")
    covers_programs = not isinstance(scan, Mapping) or scan.get("user_mode") is not False
    return _OF_A_SCAN | {script_enforcement.USER_MODE} if covers_programs else _OF_A_SCAN


def _read(results: Results, config: Sequence[Item]) -> Reading:
    applied = str(results.first("active-hash").get("Hash", "")).lower()
    written = str(results.first("active").get("LastWriteTime", ""))
    # Both are ISO 8601 in UTC with the same number of digits, so they compare as text.
    pending = bool(applied) and written >= str(results.first("system").get("LastBootUpTime", ""))
    is_applied = bool(applied) and applied == _wanted_hash(results, config)
    wanted, made = asked(config[0] if config else {}), _policy(results, "binary", si_policy_binary.read)
    # Of a policy that cannot be read nobody knows what is to be changed.
    is_as_asked = made is None or wanted.is_met(made)
    guard = results.first("guard")
    item = {
        "active": is_applied and not pending and is_as_asked,
        "is_applied": is_applied and is_as_asked,
        "is_scanned": results.error("scan") is None,
        "draft": _draft(results, config),
        "sha256": applied or None,
        "restart_pending": pending,
        "kernel_enforcement": name_of(guard.get("CodeIntegrityPolicyEnforcementStatus"), _ENFORCEMENT),
        "user_enforcement": name_of(guard.get("UsermodeCodeIntegrityPolicyEnforcementStatus"), _ENFORCEMENT),
    }
    return Reading({SINGLE: item})


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    item: Item = after or {}
    if not any(item.get(name) is not None for name in SOURCES):
        return (Problem(NO_SOURCE, "this host"),)
    artifact = item.get("policy")
    if isinstance(artifact, Artifact):
        return _refuse_artifact(artifact, item)
    wanted, draft = asked(item), (before or {}).get("draft")
    if not isinstance(draft, frozenset):
        # A scan only audits until config says otherwise; an example may be enforced as it comes.
        is_as_it_comes = item.get("example") is not None and not (before or {}).get("is_scanned")
        may_be_enforced = script_enforcement.AUDIT not in wanted.set and (
            script_enforcement.AUDIT in wanted.removed or is_as_it_comes
        )
        is_refused = may_be_enforced and not item.get("accept_constrained_language")
        return (Problem(NOT_JUDGED, "this host"),) if is_refused else ()
    return _locking_out((draft | wanted.set) - wanted.removed, "the policy of this host", item)


def _locking_out(options: frozenset[int], thing: str, item: Item) -> Sequence[Problem]:
    problem = None if item.get("accept_constrained_language") else script_enforcement.why_not(options, thing)
    return () if problem is None else (problem,)


def _refuse_artifact(artifact: Artifact, item: Item) -> Sequence[Problem]:
    if artifact.content is None:  # yet to come
        return ()
    try:
        options = numbers_of(si_policy_binary.read(artifact.content))
        if signed_policy.unwrap(_given(item) or b"").content != artifact.content:
            return (Problem(OTHER_CONTENT, _source(artifact, item).name),)
    except FormatError as error:
        return (Problem(NOT_JUDGED, artifact.path, str(error)),)
    found, mode = AUDIT_MODE if script_enforcement.AUDIT in options else ENFORCED, item.get("mode")
    if mode not in (None, found):
        return (Problem(OTHER_MODE, artifact.path, f"mode is {mode}, the policy is {found}"),)
    return _locking_out(options, artifact.path, item)


def _source(artifact: Artifact, item: Item) -> File:
    """Return the file that is applied."""
    signed = item.get("signed_policy")
    return signed if isinstance(signed, File) else File(artifact.content or b"", artifact.name)


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


def _first_draft(item: Item, xml: str) -> Step:
    """Return how the XML of a policy comes about on the host."""
    example = item.get("example")
    if isinstance(example, Mapping):
        source: Value = [rf"{EXAMPLES}\{example['name']}.xml"]
        return changing("Copy-Item", {"LiteralPath": source, "Destination": xml, "Force": True})
    return _scan(certainly(dict, item.get("scan"), "refused without"))


def _compiled(item: Item, xml: str, binary: str) -> Sequence[Step]:
    wanted = asked(item)
    hvci = wanted.hypervisor_enforced
    return (
        *(changing("Set-RuleOption", {"FilePath": xml, "Option": number}) for number in sorted(wanted.set)),
        *(
            changing("Set-RuleOption", {"FilePath": xml, "Option": number, "Delete": True})
            for number in sorted(wanted.removed)
        ),
        *(
            []
            if hvci is None
            else [changing("Set-HVCIOptions", {"FilePath": xml, "Enabled" if hvci else "None": True})]
        ),
        # Always anew: Copy-Item hands the time of its source on, and that has to be of this start of Windows.
        changing("ConvertFrom-CIPolicy", {"XmlFilePath": xml, "BinaryFilePath": binary}),
    )


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    after = certain(after, "there is no state that removes the policy")
    present: Item = before or {}
    restart = Restart("the code integrity policy takes effect with it")
    if present.get("is_applied"):
        return (restart,)
    artifact = after.get("policy")
    if isinstance(artifact, Artifact):
        source: Value = _source(artifact, after)
        made: Sequence[Step] = ()
    else:
        xml, binary = files_of(after)
        source = binary
        made = (*(() if present.get("is_scanned") else (_first_draft(after, xml),)), *_compiled(after, xml, binary))
    return (*made, changing("Copy-Item", {"LiteralPath": [source], "Destination": ACTIVE, "Force": True}), restart)


_RULE_OPTIONS = (
    Option("rule_options", Role.INPUT, type="list", elements="int"),
    Option("removed_rule_options", Role.INPUT, type="list", elements="int"),
    Option("hypervisor_enforced", Role.INPUT, type="bool"),
)

RESOURCE = Resource(
    name="code_integrity_policy",
    owner=Owner.FABRIC,
    options=(
        Option("policy", Role.INPUT, type="path", artifact=CODE_INTEGRITY_POLICY),
        Option("signed_policy", Role.INPUT, type="path", file=True),
        Option(
            "scan",
            Role.INPUT,
            type="dict",
            suboptions=(
                Option("level", Role.INPUT, choices=LEVELS),
                Option("fallback", Role.INPUT, type="list", elements="str", choices=LEVELS),
                Option("user_mode", Role.INPUT, type="bool"),
                *_RULE_OPTIONS,
            ),
        ),
        Option(
            "example",
            Role.INPUT,
            type="dict",
            suboptions=(Option("name", Role.INPUT, required=True, choices=EXAMPLE_NAMES), *_RULE_OPTIONS),
        ),
        Option("mode", Role.INPUT, choices=(AUDIT_MODE, ENFORCED)),
        Option("accept_constrained_language", Role.INPUT, type="bool"),
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
