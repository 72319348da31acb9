# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading all of a machine that adopting a fabric needs: its state, and the artifacts that can be read from it.

One execution, and a second one on a host with virtual machines, whose names have to be known to ask for their key
protectors. Nothing of it changes anything, and what cannot be read hides nothing else.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .calls import ANY_ERROR, Call, Results, prefixed
from .catalogue import RESOURCES
from .drift import Declaration, Verdict, drifting
from .problems import FabricError, Kind, Owner, Problem
from .resources import attestation_evidence, guardian_metadata, trusted_tpm_vendors
from .texts import WILDCARDS
from .tpm_vendors import STORES

if TYPE_CHECKING:
    from .capture import Capture
    from .engine import Answer, Need
    from .resource import Item

PARTS: Mapping[str, tuple[str, ...]] = {
    "hgs": ("hgs_server", "trusted_tpm_certificates", "attestation_hosts", "attestation_policies"),
    "dns": ("dns_conditional_forwarders",),
    "host": ("windows_features", "hgs_client", "code_integrity_policy", "shielded_vms"),
    "tenant": ("guardians",),
    "guest": ("bitlocker_volumes",),
}
"""Resources of a machine by its part in the fabric."""

IDENTIFIER, LOG, POLICY, METADATA = "platform_identifier", "boot_log", "code_integrity_policy", "guardian_metadata"
"""Artifacts that a machine has one of."""

NOT_READ = Kind(
    "GF-ADO-001",
    Owner.CONTROLLER,
    "could not be read, so that it is left out of what is adopted",
    "read the message; adopt again with an account that may read it, or capture it with its own module",
)

_MACHINES = "shielded_vms"
_POLICY_RESOURCE = "code_integrity_policy"


@dataclass(frozen=True)
class Living:
    """What a machine showed: verdicts by resource, artifacts by name, and why others could not be read.

    vendors: certificates (DER) of TPM vendors by the store they are in. protectors: key protectors by virtual machine.
    """

    verdicts: Mapping[str, Verdict]
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    vendors: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    protectors: Mapping[str, bytes] = field(default_factory=dict)
    unread: tuple[Problem, ...] = ()


def _captures(part: str, thing: str) -> Mapping[str, tuple[Capture, Item]]:
    """Return what captures each artifact of a machine, and with which config."""
    if part == "host":
        return {
            IDENTIFIER: (attestation_evidence.CAPTURE, {"name": thing}),
            # What HGS was given may never have been validated.
            LOG: (attestation_evidence.CAPTURE, {"hardware_class": thing, "skip_validation": True}),
            POLICY: (attestation_evidence.CAPTURE, {"software_class": thing}),
        }
    return {METADATA: (guardian_metadata.CAPTURE, {"name": thing})} if part == "hgs" else {}


def _calls(part: str, thing: str) -> Iterator[Call]:
    for name, (capture, config) in _captures(part, thing).items():
        yield from (prefixed(call, f"{name}-") for call in capture.observe(config))
    if part == "hgs":
        yield from trusted_tpm_vendors.INSPECTION.observe({})


def _content(results: Results, capture: Capture, config: Item, thing: str, name: str) -> bytes | Problem:
    errors = [error.message for call in capture.observe(config) if (error := results.error(call.id)) is not None]
    what = f"{name.replace('_', ' ')} of {thing}"
    if errors:
        return Problem(NOT_READ, what, errors[0])
    try:
        (captured,) = capture.read(results, config)
    except FabricError as error:
        return Problem(NOT_READ, what, str(error.problems[0].detail or error.problems[0].kind.title))
    return captured.content


def _vendors(results: Results) -> Mapping[str, Sequence[bytes]]:
    return {
        store: [raw for item in results.objects(store) if isinstance(raw := item.get("RawData"), bytes)]
        for store in STORES
    }


def _declarations(part: str, scan: Item) -> dict[str, Declaration]:
    """Return what to read: a policy that a host made of itself is known by comparing it with what a scan would give."""
    declared = {name: Declaration(RESOURCES[name], "gathered", ()) for name in PARTS[part]}
    if part == "host":
        declared[_POLICY_RESOURCE] = Declaration(RESOURCES[_POLICY_RESOURCE], "merged", [{"scan": scan}])
    return declared


def reading(part: str, thing: str, scan: Item) -> Generator[Need, Answer, Living]:
    """Read a machine of a part; `scan` is how reference hosts make their policy. Raises FabricError for no answer."""
    sight = yield from drifting(_declarations(part, scan), thing, list(_calls(part, thing)))
    verdicts, artifacts, unread = dict(sight.verdicts), {}, []
    for name, (capture, config) in _captures(part, thing).items():
        content = _content(sight.others.part(f"{name}-"), capture, config, thing, name)
        if isinstance(content, bytes):
            artifacts[name] = content
        else:
            unread.append(content)
    vendors = _vendors(sight.others) if part == "hgs" else {}
    protectors: Mapping[str, bytes] = {}
    if part == "host" and verdicts[_MACHINES].known:
        names = [str(item["name"]) for item in verdicts[_MACHINES].before]
        verdicts[_MACHINES], protectors = yield from _machines(
            [name for name in names if not WILDCARDS & set(name)], thing
        )
    return Living(verdicts, artifacts, vendors, protectors, tuple(unread))


def _machines(names: Sequence[str], thing: str) -> Generator[Need, Answer, tuple[Verdict, Mapping[str, bytes]]]:
    """Read virtual machines in full, with their key protectors."""
    if not names:
        return Verdict(), {}
    declared = {_MACHINES: Declaration(RESOURCES[_MACHINES], "gathered", [{"name": name} for name in names])}
    calls = [
        Call("Get-VMKeyProtector", {"VMName": name}, id=str(number), accept=(ANY_ERROR,))
        for number, name in enumerate(names)
    ]
    sight = yield from drifting(declared, thing, calls)
    protectors = {}
    for number, name in enumerate(names):
        raw = next((item for item in sight.others.scalars(str(number)) if isinstance(item, bytes)), b"")
        if raw:
            protectors[name] = raw
    return sight.verdicts[_MACHINES], protectors
