# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Host Guardian Service of a node: role, forest, initialisation, in phases that a run can resume at any of.

Order and restarts: WSD guarded-fabric-install-hgs-default, guarded-fabric-initialize-hgs-tpm-mode-default and
guarded-fabric-configure-additional-hgs-nodes. Neither Install-HgsServer nor Initialize-HgsServer is documented as one
that can be run twice, so each is called only in the phase that lacks it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import (
    ANY_ERROR,
    CMDLET_MISSING,
    Call,
    Credential,
    File,
    Restart,
    Results,
    Secret,
    Step,
    changing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain, certainly
from ansible_collections.guarded.fabric.plugins.plugin_utils.certificate_validity import time_of
from ansible_collections.guarded.fabric.plugins.plugin_utils.network_names import (
    address_problems,
    computer_problems,
    domain_problems,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.pfx import why_not, why_not_now
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import (
    SINGLE,
    Item,
    Option,
    Reading,
    Resource,
    Role,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_of, same_text, texts

ROLE = "HostGuardianServiceRole"
_DIRECTORY_KEY = r"HKLM:\SYSTEM\CurrentControlSet\Services\NTDS\Parameters"
_DIRECTORY_FILE = "DSA Database file"
_MEMBER_WORKSTATION, _MEMBER_SERVER, _FIRST_CONTROLLER_ROLE = 1, 3, 4
"""Values of Win32_ComputerSystem.DomainRole (win32 docs)."""
_MODES = {1: "Tpm", 2: "AD", 3: "HostKey"}
_CERTIFICATES = ("signing_certificate", "encryption_certificate")

DOMAIN_MEMBER = Kind(
    "GF-HGS-001",
    Owner.GUARDIAN,
    "is a member of a domain, and HGS makes a forest of its own",
    "take a server out of a workgroup, or remove this one from its domain",
)
OTHER_DOMAIN = Kind(
    "GF-HGS-002",
    Owner.GUARDIAN,
    "is a domain controller of another domain",
    "install HGS on another server; a node cannot change its domain",
)
ALREADY_INITIALISED = Kind(
    "GF-HGS-003",
    Owner.GUARDIAN,
    "is initialised with another service name or mode",
    "correct config; to make the service anew, run Clear-HgsServer by hand, which destroys what it guards",
)
INPUT_MISSING = Kind(
    "GF-HGS-004",
    Owner.GUARDIAN,
    "lacks an option that the next phase needs",
    "add the option that is named",
)

ROLE_UNKNOWN = Kind(
    "GF-HGS-005",
    Owner.GUARDIAN,
    "cannot be set up on this edition or version of Windows, which has no feature HostGuardianServiceRole",
    "take Windows Server 2019 or later, Standard or Datacenter",
)


@dataclass(frozen=True)
class Phase:
    """A phase of a node's life: what leads out of it, to which phase, and the options that this needs."""

    name: str
    following: str
    steps: Callable[[Item], Sequence[Step]]
    needs: Callable[[Item], Sequence[str]] = lambda _item: ()


def _restart_for_role(_item: Item) -> Sequence[Step]:
    return (Restart(f"{ROLE} waits for it"),)


def _install_role(item: Item) -> Sequence[Step]:
    install = changing("Install-WindowsFeature", {"Name": [ROLE], "IncludeManagementTools": True})
    return (install, *_restart_for_role(item))


def _restart_for_forest(item: Item) -> Sequence[Step]:
    return (Restart(f"it becomes a domain controller of {item.get('domain')}"),)


def _secret(item: Item, name: str) -> Secret:
    return Secret(str(item.get(name) or ""))


def _install_forest(item: Item) -> Sequence[Step]:
    joining = {
        "HgsDomainCredential": Credential(str(item.get("domain_username") or ""), _secret(item, "domain_password"))
    }
    install = changing(
        "Install-HgsServer",
        {
            "HgsDomainName": str(item.get("domain")),
            **(joining if item.get("join_address") else {}),
            "SafeModeAdministratorPassword": _secret(item, "safe_mode_password"),
        },
    )
    return (install, *_restart_for_forest(item))


def _initialise(item: Item) -> Sequence[Step]:
    if item.get("join_address"):
        return (changing("Initialize-HgsServer", {"HgsServerIPAddress": str(item["join_address"])}),)
    signing, encryption = (
        certainly(File, item.get(name), "it is an option with file=True, and needed") for name in _CERTIFICATES
    )
    return (
        changing(
            "Initialize-HgsServer",
            {
                "HgsServiceName": str(item.get("service")),
                "SigningCertificatePath": signing,
                "SigningCertificatePassword": _secret(item, "signing_certificate_password"),
                "EncryptionCertificatePath": encryption,
                "EncryptionCertificatePassword": _secret(item, "encryption_certificate_password"),
                "TrustTpm": True,
                "Http": True,
            },
        ),
    )


def _needs_for_forest(item: Item) -> Sequence[str]:
    joining = ("domain_username", "domain_password") if item.get("join_address") else ()
    return ("domain", "safe_mode_password", *joining)


def _needs_to_initialise(item: Item) -> Sequence[str]:
    return () if item.get("join_address") else ("service", *_CERTIFICATES)


PHASES = {
    phase.name: phase
    for phase in (
        Phase("absent", "role", _install_role),
        Phase("role restart", "role", _restart_for_role),
        Phase("role", "forest", _install_forest, _needs_for_forest),
        Phase("forest restart", "forest", _restart_for_forest),
        Phase("forest", "ready", _initialise, _needs_to_initialise),
    )
}
READY = "ready"


def _way(phase: str) -> list[Phase]:
    """Return the phases from one to the end."""
    way = []
    while phase != READY:
        way.append(PHASES[phase])
        phase = PHASES[phase].following
    return way


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    problems: list[Problem | None] = []
    for item in config:
        for name in _CERTIFICATES:
            file = item.get(name)
            if isinstance(file, File):
                problems.append(why_not(file, str(item.get(f"{name}_password") or "")))
        problems.extend(domain_problems(texts(item.get("domain"))))
        problems.extend(computer_problems(texts(item.get("service"))))
        problems.extend(address_problems(texts(item.get("join_address"))))
    found = [problem for problem in problems if problem is not None]
    if found:
        raise FabricError(*found)
    return [{**item, "phase": READY} for item in config]


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call("Get-WindowsFeature", {"Name": [ROLE]}, id="role", select=("InstallState",)),
        Call(
            "Get-CimInstance",
            {"ClassName": "Win32_ComputerSystem"},
            id="computer",
            select=("Name", "Domain", "DomainRole"),
        ),
        # Where its directory is kept is written when a server is promoted, so one that has it and is no controller yet
        # waits for its restart. Microsoft publishes no better sign of that.
        Call(
            "Get-ItemProperty",
            {"LiteralPath": _DIRECTORY_KEY},
            id="promotion",
            select=(_DIRECTORY_FILE,),
            accept=(ANY_ERROR,),
        ),
        Call("Get-ADDomain", {"Current": "LocalComputer"}, id="directory", select=("DNSRoot",), accept=(ANY_ERROR,)),
        Call(
            "Get-HgsServer",
            id="service",
            select=("AttestationOperationMode", "AttestationUrl", "KeyProtectionUrl"),
            accept=(ANY_ERROR,),
        ),
        # The flag's name in the output is not published; the parameter is.
        Call(
            "Get-HgsKeyProtectionCertificate",
            {"IsPrimary": True},
            id="certificates",
            select=("CertificateType",),
            accept=(ANY_ERROR,),
        ),
        Call("Get-Date", id="clock"),
    )


def _phase(results: Results) -> str:
    install_state = str(results.first("role").get("InstallState", ""))
    if results.first("service"):
        return READY
    if _domain_role(results) >= _FIRST_CONTROLLER_ROLE:
        return "forest"
    if results.first("promotion").get(_DIRECTORY_FILE):
        return "forest restart"
    if install_state == "Installed":
        return "role"
    return "role restart" if install_state == "InstallPending" else "absent"


def _domain_role(results: Results) -> int:
    return int(str(results.first("computer").get("DomainRole", 0)))


def _settling(results: Results, phase: str) -> str:
    starting = results.error("directory")
    if phase == "forest" and starting is not None and not starting.id.startswith(CMDLET_MISSING):
        return f"the directory is still starting: {starting.message}"
    types = {name_of(item.get("CertificateType"), {}) for item in results.objects("certificates")}
    if phase == READY and not {"Signing", "Encryption"} <= types:
        # WSD configure-additional-hgs-nodes: they take up to ten minutes to reach a node.
        return "the key protection certificates have not reached this node yet"
    return ""


def _read(results: Results, config: Sequence[Item]) -> Reading:
    computer, service = results.first("computer"), results.first("service")
    phase = _phase(results)
    item: dict[str, object] = {"phase": phase, "now": time_of(results, "clock")}
    item["role_exists"] = bool(results.first("role"))
    if _domain_role(results) in (_MEMBER_WORKSTATION, _MEMBER_SERVER) or phase in ("forest", READY):
        item["domain"] = str(computer.get("Domain", ""))
    item["domain_role"] = _domain_role(results)
    if phase == READY:
        urls = texts(service.get("AttestationUrl"))
        host = urlsplit(urls[0]).hostname if urls else None
        item["service"] = (host or "").removesuffix(f".{item['domain']}".lower())
        item["mode"] = name_of(service.get("AttestationOperationMode"), _MODES)
        item["attestation_urls"] = urls
        item["key_protection_urls"] = texts(service.get("KeyProtectionUrl"))
    # Nobody waits for a service that config says nothing about.
    waiting = any(wanted.get("domain") for wanted in config)
    return Reading({SINGLE: item}, settling=_settling(results, phase) if waiting else "")


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    before = certain(before, "every server is in some phase")
    after = certain(after, "there is no state that removes the service")
    thing = f"HGS of {after.get('domain')}"
    if before["domain_role"] in (_MEMBER_WORKSTATION, _MEMBER_SERVER):
        return (Problem(DOMAIN_MEMBER, thing, f"of {before['domain']}"),)
    if before.get("domain") and not same_text(before["domain"], after.get("domain")):
        return (Problem(OTHER_DOMAIN, thing, f"of {before['domain']}"),)
    if before["phase"] == READY:
        present = f"{before.get('service')} in mode {before.get('mode')}"
        return (Problem(ALREADY_INITIALISED, thing, present),)
    if not before["role_exists"]:
        return (Problem(ROLE_UNKNOWN, thing),)
    needed = [name for phase in _way(str(before["phase"])) for name in phase.needs(after)]
    lacking = [Problem(INPUT_MISSING, thing, name) for name in needed if after.get(name) is None]
    return (*lacking, *_out_of_time(before["now"], after))


def _out_of_time(now: object, after: Item) -> Sequence[Problem]:
    files = [(after.get(name), str(after.get(f"{name}_password") or "")) for name in _CERTIFICATES]
    if not isinstance(now, datetime):
        return ()
    problems = (why_not_now(file, password, now) for file, password in files if isinstance(file, File))
    return [problem for problem in problems if problem is not None]


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    after = certain(after, "there is no state that removes the service")
    phase = "absent" if before is None else str(before["phase"])
    return [step for passed in _way(phase) for step in passed.steps(after)]


RESOURCE = Resource(
    name="hgs_server",
    owner=Owner.GUARDIAN,
    options=(
        Option("domain", same=same_text),
        Option("service", same=same_text),
        Option("mode", choices=("Tpm",)),
        Option("join_address", Role.INPUT),
        Option("safe_mode_password", Role.INPUT, secret=True),
        Option("domain_username", Role.INPUT),
        Option("domain_password", Role.INPUT, secret=True),
        Option("signing_certificate", Role.INPUT, type="path", file=True),
        Option("signing_certificate_password", Role.INPUT, secret=True),
        Option("encryption_certificate", Role.INPUT, type="path", file=True),
        Option("encryption_certificate_password", Role.INPUT, secret=True),
        Option("phase", Role.DERIVED),
        Option("attestation_urls", Role.COMPUTED, type="list", elements="str"),
        Option("key_protection_urls", Role.COMPUTED, type="list", elements="str"),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    single=True,
    states=("merged", "gathered", "rendered"),
)
