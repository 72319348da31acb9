# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Key protectors that a tenant makes for virtual machines: one owner, and the guardians whose fabrics may start them.

New-HgsKeyProtector makes another key each time, so one is made only where there is none, or where the one there is has
another owner or other guardians.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import KEY_PROTECTOR, key_protector_holders
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, Ref, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Capture, Captured
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import texts, thumbprint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Existing
    from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import ArtifactKind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

OWNER_WITHOUT_KEYS = Kind(
    "GF-KPR-001",
    Owner.TENANT,
    "cannot own a key protector: its private signing key is not on this machine",
    "run this where the owner's keys are, or make an owner with the module guarded.fabric.guardians",
)
NONE_MADE = Kind(
    "GF-KPR-002",
    Owner.TENANT,
    "got no key protector",
    "run New-HgsKeyProtector by hand and look at what it says",
)

GUARDIAN_MISSING = Kind(
    "GF-KPR-003",
    Owner.TENANT,
    "is no guardian of this machine",
    "correct the name, or bring it with the module guarded.fabric.guardians; an owner's keys exist on one machine only",
)


def _targets(config: Item) -> Sequence[tuple[ArtifactKind, str]]:
    return [(KEY_PROTECTOR, name) for name in texts(config.get("names"))]


def _observe(_config: Item) -> Sequence[Call]:
    return (Call("Get-HgsGuardian", id="guardians", select=("Name", "HasPrivateSigningKey", "SigningCertificate")),)


def _require(results: Results, config: Item) -> Sequence[Problem]:
    known = {name.casefold() for name in results.names("guardians")}
    wanted = dict.fromkeys((str(config["owner"]), *texts(config.get("guardians"))))
    return [Problem(GUARDIAN_MISSING, f"the guardian {name}") for name in wanted if name.casefold() not in known]


def _produce(results: Results, config: Item, existing: Existing) -> Sequence[Call]:
    known = {str(item.get("Name", "")).casefold(): item for item in results.objects("guardians")}
    owner, guardians = str(config["owner"]), texts(config.get("guardians"))
    found = known.get(owner.casefold())
    if found is not None and not found.get("HasPrivateSigningKey"):
        raise FabricError(Problem(OWNER_WITHOUT_KEYS, f"the guardian {owner}"))
    thumbprints = {name: thumbprint_of(item.get("SigningCertificate")) for name, item in known.items()}
    wanted = (
        thumbprints.get(owner.casefold(), ""),
        tuple(sorted(thumbprints.get(name.casefold(), "") for name in guardians)),
    )
    lacking = [
        number
        for number, (kind, name) in enumerate(_targets(config))
        if (artifact := existing.get((kind.folder, name))) is None
        or key_protector_holders(artifact.content or b"") != wanted
    ]
    if not lacking:
        return ()
    allowed = {
        parameter: True
        for parameter, option in (("AllowExpired", "allow_expired"), ("AllowUntrustedRoot", "allow_untrusted_root"))
        if config.get(option)
    }
    trusted = {"Guardian": Ref("trusted")} if guardians else {}
    return (
        Call("Get-HgsGuardian", {"Name": [owner]}, id="owner"),
        *([Call("Get-HgsGuardian", {"Name": guardians}, id="trusted")] if guardians else []),
        *(
            Call(
                "New-HgsKeyProtector",
                {"Owner": Ref("owner"), **trusted, **allowed},
                id=f"made-{number}",
                select=("RawData",),
            )
            for number in lacking
        ),
    )


def _read(results: Results, config: Item) -> Sequence[Captured]:
    captured = []
    for number, (kind, name) in enumerate(_targets(config)):
        call = f"made-{number}"
        if call not in results:
            continue
        content = results.first(call).get("RawData")
        if not isinstance(content, bytes):
            raise FabricError(Problem(NONE_MADE, f"the virtual machine {name}"))
        captured.append(Captured(kind, name, content))
    return captured


CAPTURE = Capture(
    name="key_protectors",
    owner=Owner.TENANT,
    options=(
        Option("names", Role.INPUT, type="list", elements="str", required=True),
        Option("owner", Role.INPUT, required=True),
        Option("guardians", Role.INPUT, type="list", elements="str", required=True),
        Option("allow_expired", Role.INPUT, type="bool"),
        Option("allow_untrusted_root", Role.INPUT, type="bool"),
    ),
    targets=_targets,
    observe=_observe,
    read=_read,
    require=_require,
    produce=_produce,
)
