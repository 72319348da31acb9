# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The HGS client of a Hyper-V host: which service it attests with, and how that ended.

Set-HgsClientConfiguration replaces the whole configuration: fallback URLs that are not passed are gone. So they are
passed again whenever anything is set. It attests as well, but only Test-HgsClientConfiguration is documented to ignore
a cached health certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_status import (
    MODES,
    OPERATION_MODES,
    PASSED,
    attestation,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import CMDLET_MISSING, Call, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import SINGLE, Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_of, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Value
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

LOCAL, HGS = "Local", "HostGuardianService"
_URLS = ("attestation_url", "key_protection_url")
_FALLBACK_URLS = ("fallback_attestation_urls", "fallback_key_protection_urls")
_LONGEST_URL = 2083
"""As Windows' own HTTP clients take it (INTERNET_MAX_URL_LENGTH of wininet.h)."""

CLIENT_MISSING = Kind(
    "GF-CLI-001",
    Owner.FABRIC,
    "has no HGS client",
    "install the features Hyper-V and HostGuardian (Datacenter edition) and restart",
)
URL_INVALID = Kind(
    "GF-CLI-002",
    Owner.CONTROLLER,
    "is no http or https URL with a host",
    "correct it; HGS answers at http://SERVICE.DOMAIN/Attestation and http://SERVICE.DOMAIN/KeyProtection",
)
URLS_INCOMPLETE = Kind(
    "GF-CLI-003",
    Owner.CONTROLLER,
    "needs URLs in pairs: one for attestation, one for key protection",
    "add the URL that is lacking",
)
LOCAL_ATTESTS = Kind(
    "GF-CLI-004",
    Owner.CONTROLLER,
    "has no URLs in local mode, and does not attest",
    "leave out the URLs and attested, or set mode to HostGuardianService",
)

VERSION_OLD = Kind(
    "GF-CLI-005",
    Owner.FABRIC,
    "runs a version of Windows Server before 2019, which cannot be asked to attest",
    "upgrade the host, or leave out attested",
)
OLDEST_BUILD = 17763
"""Windows Server 2019: Test-HgsClientConfiguration is not in what came before (PSD HgsClient)."""


def _url_problems(item: Item) -> list[Problem]:
    urls = [*(item.get(name) for name in _URLS), *(url for name in _FALLBACK_URLS for url in texts(item.get(name)))]
    found = []
    for url in urls:
        if url is None:
            continue
        try:
            parts = urlsplit(str(url))
            valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            valid = False
        if not valid:
            found.append(Problem(URL_INVALID, repr(str(url))))
    pairs = ([item.get(name) for name in _URLS], [item.get(name) for name in _FALLBACK_URLS])
    if any(len(texts(one)) != len(texts(other)) for one, other in pairs):
        found.append(Problem(URLS_INCOMPLETE, "the HGS client"))
    return found


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    prepared, problems = [], []
    for given in config:
        # There is no way to wish for a host that does not attest.
        item = {**given, "attested": given.get("attested") or None}
        has_urls = any(item.get(name) for name in (*_URLS, *_FALLBACK_URLS))
        problems.extend(_url_problems(item))
        if item.get("mode") == LOCAL:
            if has_urls or item["attested"]:
                problems.append(Problem(LOCAL_ATTESTS, "the HGS client"))
            gone = {**dict.fromkeys(_URLS, ""), **{name: [] for name in _FALLBACK_URLS}}
            prepared.append({**item, **gone})
        else:
            prepared.append({**item, **({"mode": HGS} if has_urls else {})})
    if problems:
        raise FabricError(*problems)
    return prepared


def _observe(config: Sequence[Item]) -> Sequence[Call]:
    system = Call(
        "Get-CimInstance",
        {"ClassName": "Win32_OperatingSystem"},
        id="system",
        select=("BuildNumber", "LocalDateTime"),
    )
    return (
        *([system] if any(item.get("attested") for item in config) else []),
        Call(
            "Get-HgsClientConfiguration",
            id="client",
            select=(
                "Mode",
                "IsHostGuarded",
                "AttestationServerUrl",
                "KeyProtectionServerUrl",
                "FallbackAttestationServerUrl",
                "FallbackKeyProtectionServerUrl",
                "AttestationOperationMode",
                "AttestationStatus",
                "AttestationSubstatus",
            ),
            accept=(CMDLET_MISSING,),
        ),
    )


def _read(results: Results, config: Sequence[Item]) -> Reading:
    if results.error("client") is not None:
        return Reading({}, missing=Problem(CLIENT_MISSING, ""))
    client = results.first("client")
    found = attestation(client.get("AttestationStatus"), client.get("AttestationSubstatus"))
    item: Item = {
        "mode": name_of(client.get("Mode"), MODES),
        "attestation_url": str(client.get("AttestationServerUrl") or ""),
        "key_protection_url": str(client.get("KeyProtectionServerUrl") or ""),
        "fallback_attestation_urls": texts(client.get("FallbackAttestationServerUrl")),
        "fallback_key_protection_urls": texts(client.get("FallbackKeyProtectionServerUrl")),
        # Only where it is asked for: nobody can foresee it after a change that did not ask.
        **({"attested": found.status == PASSED} if any(wanted.get("attested") for wanted in config) else {}),
        "now": str(results.first("system").get("LocalDateTime") or ""),
        "build": int(str(results.first("system").get("BuildNumber") or OLDEST_BUILD)),
        "is_host_guarded": bool(client.get("IsHostGuarded")),
        "attestation_operation_mode": name_of(client.get("AttestationOperationMode"), OPERATION_MODES),
        "attestation_status": found.status,
        "attestation_substatus": list(found.substatus),
        "explanations": [
            {
                "what": name,
                "id": kind.id,
                "cause": kind.title,
                "remedy": kind.next_step,
                "owner": kind.owner.value,
            }
            for name, kind in found.kinds
        ],
    }
    return Reading({SINGLE: item})


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    after = certain(after, "there is no state that removes the client")
    problems = []
    if after.get("mode") == HGS and not all(after.get(name) for name in _URLS):
        problems.append(Problem(URLS_INCOMPLETE, "the HGS client"))
    build = OLDEST_BUILD if before is None else int(str(before["build"]))
    if after.get("attested") and build < OLDEST_BUILD:
        problems.append(Problem(VERSION_OLD, "this host", f"build {build}"))
    return problems


def _is_reconfigured(before: Item | None, after: Item) -> bool:
    return before is None or any(before.get(name) != after.get(name) for name in ("mode", *_URLS, *_FALLBACK_URLS))


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    after = certain(after, "there is no state that removes the client")
    steps: list[Step] = []
    if _is_reconfigured(before, after):
        if after.get("mode") == LOCAL:
            return (changing("Set-HgsClientConfiguration", {"EnableLocalMode": True}),)
        urls: dict[str, Value] = {
            "AttestationServerUrl": str(after.get("attestation_url")),
            "KeyProtectionServerUrl": str(after.get("key_protection_url")),
        }
        if after.get("fallback_attestation_urls"):
            urls["FallbackAttestationServerUrl"] = texts(after["fallback_attestation_urls"])
            urls["FallbackKeyProtectionServerUrl"] = texts(after.get("fallback_key_protection_urls"))
        steps.append(changing("Set-HgsClientConfiguration", urls))
    if after.get("attested"):
        steps.append(changing("Test-HgsClientConfiguration", {"UsePrimary": True}))
    return steps


def _explain(before: Item | None, _after: Item | None) -> Sequence[Problem]:
    if before is None:
        return ()
    status = str(before["attestation_status"])
    found = attestation(status, ", ".join(texts(before["attestation_substatus"])))
    # Certificates that are not valid are what wrong clocks look like from here.
    clock = f"; by this host's clock it is {before['now']}" if before.get("now") else ""
    return tuple(Problem(kind, "", name + clock) for name, kind in found.kinds)


RESOURCE = Resource(
    name="hgs_client",
    owner=Owner.FABRIC,
    options=(
        Option("mode", choices=(LOCAL, HGS)),
        Option("attestation_url", longest=_LONGEST_URL),
        Option("key_protection_url", longest=_LONGEST_URL),
        Option("fallback_attestation_urls", type="list", elements="str", default=[], longest=_LONGEST_URL),
        Option("fallback_key_protection_urls", type="list", elements="str", default=[], longest=_LONGEST_URL),
        Option("attested", type="bool"),
        Option("is_host_guarded", Role.COMPUTED, type="bool"),
        Option("attestation_operation_mode", Role.COMPUTED),
        Option("attestation_status", Role.COMPUTED),
        Option("attestation_substatus", Role.COMPUTED, type="list", elements="str"),
        Option("explanations", Role.COMPUTED, type="list", elements="dict"),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    explain=_explain,
    single=True,
    states=("merged", "replaced", "gathered", "rendered"),
)
