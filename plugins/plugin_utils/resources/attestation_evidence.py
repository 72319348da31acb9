# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What HGS has to know of a host (TPM mode): its platform identifier, its TPM baseline, its code integrity policy.

Every host has an identifier of its own; a baseline is the same for hosts of one hardware class, a policy for hosts of
one software class (WSD guarded-fabric-tpm-trusted-attestation-capturing-hardware). What one host started
with is kept under its own name: it says which baseline and which policy that host needs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import (
    platform_identifier,
    signed_policy,
    tcg_log,
    tpm_baseline,
)
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import (
    ACTIVE_POLICY,
    BOOT_LOG,
    CODE_INTEGRITY_POLICY,
    PLATFORM_IDENTIFIER,
    TPM_BASELINE,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Capture, Captured
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import NOT_OF_ITS_KIND
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import same_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import ArtifactKind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

ACTIVE = r"C:\Windows\System32\CodeIntegrity\SIPolicy.p7b"

_IDENTIFIER, _LOG, _POLICY = "identifier", "log", "policy"
_SOURCES = {
    PLATFORM_IDENTIFIER.folder: _IDENTIFIER,
    TPM_BASELINE.folder: _LOG,
    BOOT_LOG.folder: _LOG,
    CODE_INTEGRITY_POLICY.folder: _POLICY,
    ACTIVE_POLICY.folder: _POLICY,
}
"""Id of the call that yields a kind of artifact: one log and one policy serve the class and the host."""

NO_ENDORSEMENT_CERTIFICATE = Kind(
    "GF-EVI-001",
    Owner.FABRIC,
    "has a platform identifier that HGS will not take",
    "run this elevated on the host; see that its TPM is ready (Get-Tpm) and has an endorsement key certificate",
)
NOTHING_CAPTURED = Kind(
    "GF-EVI-002",
    Owner.FABRIC,
    "gave nothing",
    "run the cmdlet on the host by hand and look at what it says",
)

NO_FULL_START = Kind(
    "GF-EVI-003",
    Owner.FABRIC,
    "has a boot log that is no baseline",
    "restart the host in full (no resume, no fast startup, no network boot program that hides it), then capture again",
)
OTHER_HOST = Kind(
    "GF-EVI-004",
    Owner.FABRIC,
    "gave the platform identifier of another host",
    "find out which machine answers to this name in the inventory, and what it answered with",
)


def _targets(config: Item) -> Sequence[tuple[ArtifactKind, str]]:
    named = (
        (PLATFORM_IDENTIFIER, config.get("name")),
        (TPM_BASELINE, config.get("hardware_class")),
        (CODE_INTEGRITY_POLICY, config.get("software_class")),
        (BOOT_LOG, config.get("host")),
        (ACTIVE_POLICY, config.get("host")),
    )
    return [(kind, str(name)) for kind, name in named if name is not None]


def _observe(config: Item) -> Sequence[Call]:
    calls = (
        Call("Get-PlatformIdentifier", {"Name": str(config.get("name"))}, id=_IDENTIFIER, select=("OuterXml",)),
        Call(
            "Get-HgsAttestationBaselinePolicy",
            {"Console": True, **({"SkipValidation": True} if config.get("skip_validation") else {})},
            id=_LOG,
        ),
        Call("Get-Item", {"LiteralPath": [ACTIVE]}, id=_POLICY, select=("FullName",), attach=("FullName",)),
    )
    needed = {_SOURCES[kind.folder] for kind, _name in _targets(config)}
    return [call for call in calls if call.id in needed]


def _read(results: Results, config: Item) -> Sequence[Captured]:
    read: Mapping[str, Callable[[Results], bytes]] = {
        _IDENTIFIER: partial(_identifier, str(config.get("name"))),
        _LOG: _baseline,
        _POLICY: _policy,
    }
    return [Captured(kind, name, read[_SOURCES[kind.folder]](results)) for kind, name in _targets(config)]


def _identifier(name: str, results: Results) -> bytes:
    content = str(results.first(_IDENTIFIER).get("OuterXml", "")).encode()
    if not content:
        raise FabricError(Problem(NOTHING_CAPTURED, "Get-PlatformIdentifier"))
    try:
        found = platform_identifier.parse(content)
    except FormatError as error:
        raise FabricError(Problem(NOT_OF_ITS_KIND, "the platform identifier", str(error))) from error
    # Windows' own words count; that nothing was found in a document whose schema is not published proves nothing.
    if found.messages and found.endorsement_certificate is None:
        raise FabricError(Problem(NO_ENDORSEMENT_CERTIFICATE, "this host", "; ".join(found.messages)))
    # The name is the one that was asked for with the cmdlet: another one is an answer to somebody else's question.
    if found.name and not same_text(found.name, name):
        raise FabricError(Problem(OTHER_HOST, "this host", f"it says {found.name!r}, not {name!r}"))
    return content


def _baseline(results: Results) -> bytes:
    content = b"".join(item for item in results.scalars(_LOG) if isinstance(item, bytes))
    if not content:
        raise FabricError(Problem(NOTHING_CAPTURED, "Get-HgsAttestationBaselinePolicy"))
    try:
        reasons = tpm_baseline.why_not(tcg_log.parse(content))
    except FormatError as error:
        raise FabricError(Problem(NOT_OF_ITS_KIND, "the TPM baseline", str(error))) from error
    if reasons:
        raise FabricError(Problem(NO_FULL_START, "this host", "; ".join(reasons)))
    return content


def _policy(results: Results) -> bytes:
    content = results.outcome(_POLICY).attachments.get("FullName", b"")
    if not content:
        raise FabricError(Problem(NOTHING_CAPTURED, ACTIVE))
    try:
        # HGS wants the unsigned copy of a signed policy: the signature is not measured (WSD capturing-hardware).
        return signed_policy.unwrap(content).content
    except FormatError as error:
        raise FabricError(Problem(NOT_OF_ITS_KIND, ACTIVE, str(error))) from error


CAPTURE = Capture(
    name="attestation_evidence",
    owner=Owner.FABRIC,
    options=(
        Option("name", Role.INPUT),
        Option("hardware_class", Role.INPUT),
        Option("software_class", Role.INPUT),
        Option("host", Role.INPUT),
        Option("skip_validation", Role.INPUT, type="bool"),
    ),
    targets=_targets,
    observe=_observe,
    read=_read,
)
