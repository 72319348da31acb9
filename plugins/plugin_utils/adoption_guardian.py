# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guardian's part of a living fabric as variables: nodes, whose TPMs they trust, hosts and policies HGS knows.

HGS does not show what it holds under a policy's name. A policy whose name carries the first digits of what some host
started with is declared by that artifact; any other is declared by its name alone, and kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.module_utils import endorsement_key, platform_identifier
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint

from .adoption_model import Adopted, Found, Kept, Shown, Template, names_in, print_of
from .adoption_reading import IDENTIFIER, LOG, METADATA, PARTS, POLICY
from .artifact_kinds import CODE_INTEGRITY_POLICY, GUARDIAN_METADATA, PLATFORM_IDENTIFIER, TPM_BASELINE, TPM_VENDOR
from .exchange import is_name
from .policy_names import DIGITS, parse
from .problems import Kind, Owner, Problem
from .resources.attestation_policies import BUILT_IN_PREFIX
from .resources.hgs_server import READY
from .tpm_vendors import INTERMEDIATE, ROOT
from .windows_values import same_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .exchange import ArtifactKind

CONTENT_UNKNOWN = Kind(
    "GF-ADO-003",
    Owner.GUARDIAN,
    "is a policy whose content nobody can read back and no host of the inventory yields; it is declared by its name",
    "find out what it is for: keep it among attestation_named_policies, or remove it once no host needs it",
)
NO_IDENTIFIER = Kind(
    "GF-ADO-004",
    Owner.GUARDIAN,
    "is registered, and no machine of the inventory gave its platform identifier; it is declared by its name",
    "find out which machine it is: keep it among attestation_hosts_without_artifact, or remove it with state deleted",
)
SECRET = Kind(
    "GF-ADO-005",
    Owner.GUARDIAN,
    "cannot be read back; building or repairing a node needs it",
    "put it into the guardian's vault under the name that the file of variables gives",
)

SECRETS = (
    "hgs_safe_mode_password",
    "hgs_signing_certificate",
    "hgs_signing_certificate_password",
    "hgs_encryption_certificate",
    "hgs_encryption_certificate_password",
)
"""Variables of the role hgs that only building a node takes."""

_TYPES: Mapping[str, tuple[ArtifactKind, str]] = {
    "SecureBootSettings": (TPM_BASELINE, LOG),
    "CiPolicy": (CODE_INTEGRITY_POLICY, POLICY),
}
"""Kind of the artifact that a type of policy holds, and how a host's reading names it."""

_PREFIXES = {TPM_BASELINE.folder: "hardware", CODE_INTEGRITY_POLICY.folder: "software"}
"""Of classes that are named after the fingerprint, because HGS names none."""


@dataclass(frozen=True)
class Classes:
    """Classes of one kind of artifact: those that HGS has, the class of each fingerprint, what to file for them.

    policies: names of HGS's policies that they declare.
    """

    declared: tuple[str, ...]
    by_print: Mapping[str, str]
    found: tuple[Found, ...]
    policies: frozenset[str]


def registered_as(hosts: Sequence[Shown], nodes: Sequence[Shown]) -> dict[str, str]:
    """Return under which name HGS knows each host, by the host's name; hosts that it does not know are not in it.

    Where HGS shows identifiers that are those of keys here, they decide; else names do.
    """
    known = _first(nodes, "attestation_hosts")
    keys = {host.name: _key(host) for host in hosts}
    by_identifier = {str(item["identifier"]).upper(): str(item["name"]) for item in known}
    by_name = {str(item["name"]).casefold(): str(item["name"]) for item in known}
    found = {name: by_identifier[key] for name, key in keys.items() if key in by_identifier}
    compares = bool(found)
    for host in hosts:
        name = by_name.get(host.name.casefold())
        shows_other_key = compares and bool(keys[host.name])
        if host.name not in found and name is not None and name not in found.values() and not shows_other_key:
            found[host.name] = name
    return found


def _key(host: Shown) -> str:
    try:
        document = platform_identifier.parse(host.artifact(IDENTIFIER) or b"")
    except FormatError:
        return ""
    return "" if document.endorsement_key is None else endorsement_key.fingerprint(document.endorsement_key)


def _first(nodes: Sequence[Shown], resource: str) -> Sequence[Mapping[str, Any]]:
    """Return what the first node shows: what is replicated is the same on all."""
    return (nodes[0].state(resource) or ()) if nodes else ()


def in_service(nodes: Sequence[Shown]) -> tuple[list[Shown], dict[str, str]]:
    """Return the nodes that can be adopted, and why others cannot, by name."""
    adopted: list[Shown] = []
    left_out: dict[str, str] = {}
    for node in nodes:
        reason = _why_not(node, adopted[0] if adopted else None)
        if reason:
            left_out[node.name] = reason
        else:
            adopted.append(node)
    return adopted, left_out


def _why_not(node: Shown, first: Shown | None) -> str:
    if node.unseen_because:
        return node.unseen_because
    unknown = [name for name in PARTS["hgs"] if node.state(name) is None]
    if unknown:
        return f"{', '.join(unknown)} could not be read"
    service = node.single("hgs_server")
    if service.get("phase") != READY:
        return f"it is no node in service, but in the phase {service.get('phase')}"
    if service.get("mode") != "Tpm":
        return f"its service attests in mode {service.get('mode')}, and the roles know Tpm only"
    other = {} if first is None else first.single("hgs_server")
    if first is not None and any(not same_text(service[name], other[name]) for name in ("domain", "service")):
        return f"it belongs to another service than {first.name}"
    return ""


def adopt(
    nodes: Sequence[Shown], hosts: Sequence[Shown], names: Mapping[str, str], guardian: str, kept: Kept
) -> tuple[Adopted, Mapping[str, Classes]]:
    """Return the guardian's part, and the classes of hosts by folder of their kind.

    nodes: those in service, at least one. names: as registered_as returns them. guardian: the name of the metadata.
    """
    policies = _first(nodes, "attestation_policies")
    classes = {kind.folder: _classes(policy_type, policies, hosts, kept) for policy_type, (kind, _) in _TYPES.items()}
    registered = [str(item["name"]) for item in _first(nodes, "attestation_hosts")]
    identifiers = _identifiers(hosts, names)
    known = [found.name for found in identifiers if found.trusted]
    unnamed = sorted(set(registered) - set(known))
    named = _named(policies, classes.values())
    artifacts = [*identifiers, *(found for item in classes.values() for found in item.found), *_vendor_files(nodes)]
    metadata = next((content for node in nodes if (content := node.artifact(METADATA))), None)
    if metadata is not None and print_of(GUARDIAN_METADATA, metadata) and is_name(guardian):
        artifacts.append(Found(GUARDIAN_METADATA, guardian, metadata, nodes[0].name))
    service = nodes[0].single("hgs_server")["service"]
    shared: dict[str, object] = {
        "attestation_built_in_policies": _switches(item for item in policies if _is_built_in(item)),
        **({"attestation_named_policies": _switches(named)} if named else {}),
        **({"attestation_hosts_without_artifact": unnamed} if unnamed else {}),
        **_chosen("attestation_host_names", PLATFORM_IDENTIFIER, known, artifacts, kept),
        **{
            name: value
            for variable, kind in (
                ("attestation_baseline_names", TPM_BASELINE),
                ("attestation_policy_names", CODE_INTEGRITY_POLICY),
            )
            for name, value in _chosen(variable, kind, classes[kind.folder].declared, artifacts, kept).items()
        },
        **({} if guardian == service else {"hgs_guardian_name": guardian}),
    }
    problems = (
        *(Problem(CONTENT_UNKNOWN, f"the policy {item['name']}") for item in named),
        *(Problem(NO_IDENTIFIER, f"the host {name}") for name in unnamed),
        *(Problem(SECRET, name) for name in SECRETS),
    )
    variables = {node.name: {**shared, **_vendors(node)} for node in nodes}
    return Adopted(variables, tuple(artifacts), problems), classes


def _is_built_in(item: Mapping[str, Any]) -> bool:
    return str(item["name"]).casefold().startswith(BUILT_IN_PREFIX.casefold())


def _switches(policies: Iterable[Mapping[str, Any]]) -> list[dict[str, object]]:
    found = [{"name": str(item["name"]), "enabled": bool(item["enabled"])} for item in policies]
    return sorted(found, key=lambda item: str(item["name"]))


def _chosen(
    variable: str, kind: ArtifactKind, names: Sequence[str], artifacts: Sequence[Found], kept: Kept
) -> dict[str, object]:
    """Return the variable that names what to register, where that is not all that will lie there."""
    lying = names_in(kept, kind) | {found.name for found in artifacts if found.kind is kind}
    return {} if lying == set(names) else {variable: sorted(names)}


def kept_as(host: str, names: Mapping[str, str]) -> str:
    """Return the name of a host's artifacts: that which HGS knows it by, if it can be a file's."""
    name = names.get(host, host)
    return name if is_name(name) else host


def _identifiers(hosts: Sequence[Shown], names: Mapping[str, str]) -> list[Found]:
    """Return the identifiers of hosts that HGS knows; those trusted by which they can be registered again."""
    return [
        Found(PLATFORM_IDENTIFIER, name, content, host.name, trusted=name == names[host.name])
        for host in hosts
        if host.name in names and is_name(name := kept_as(host.name, names))
        if (content := host.artifact(IDENTIFIER)) is not None and print_of(PLATFORM_IDENTIFIER, content)
    ]


def _named(policies: Sequence[Mapping[str, Any]], classes: Iterable[Classes]) -> list[Mapping[str, Any]]:
    """Return the policies that no artifact declares."""
    declared = {name for item in classes for name in item.policies}
    return [item for item in policies if not _is_built_in(item) and item["name"] not in declared]


def _classes(policy_type: str, policies: Sequence[Mapping[str, Any]], hosts: Sequence[Shown], kept: Kept) -> Classes:
    kind, artifact = _TYPES[policy_type]
    shown = [
        (print_, content, host.name)
        for host in hosts
        if (content := host.artifact(artifact)) is not None and (print_ := print_of(kind, content))
    ]
    counts = Counter(print_ for print_, _content, _name in shown)
    sources = {print_: (content, name) for print_, content, name in reversed(shown)}
    lying = {name: print_of(kind, kept[kind.folder, name].content) for name in names_in(kept, kind)}
    candidates = [
        (named.class_name, print_, str(item["name"]))
        for item in policies
        if item.get("type") == policy_type and item["enabled"] and (named := parse(str(item["name"]))) is not None
        for print_ in {*sources, lying.get(named.class_name, "")}
        if print_.startswith(named.digits) and is_name(named.class_name)
    ]
    # Of two policies of a class, as there are after an update, the one that more hosts started with is declared.
    candidates.sort(key=lambda candidate: (counts[candidate[1]], candidate[1]))
    chosen = {class_name: (print_, policy) for class_name, print_, policy in candidates}
    declared = {class_name: print_ for class_name, (print_, _policy) in chosen.items()}
    by_print = {print_: class_name for class_name, print_ in sorted(declared.items(), reverse=True)}
    others = {
        print_: f"{_PREFIXES[kind.folder]}-{print_[:DIGITS]}" for print_ in sorted(sources) if print_ not in by_print
    }
    filed = [*declared.items(), *((class_name, print_) for print_, class_name in others.items())]
    found = []
    for class_name, print_ in sorted(filed):
        # What lies there already has a source of its own.
        content, source = sources.get(print_) or (kept[kind.folder, class_name].content or b"", "")
        found.append(Found(kind, class_name, content, source, trusted=class_name in declared))
    policies_declared = frozenset(policy for _print, policy in chosen.values())
    return Classes(tuple(sorted(declared)), {**others, **by_print}, tuple(found), policies_declared)


def _vendors(node: Shown) -> dict[str, object]:
    directory = f"{{{{ exchange_directory }}}}/{TPM_VENDOR.folder}"
    files = {
        store: [
            Template(f"{directory}/{name}{TPM_VENDOR.suffix}")
            for name in sorted(thumbprint(content) for content in node.vendors(store))
        ]
        for store in (ROOT, INTERMEDIATE)
    }
    return {
        "hgs_trusted_tpm_roots": files[ROOT],
        **({"hgs_trusted_tpm_intermediates": files[INTERMEDIATE]} if files[INTERMEDIATE] else {}),
    }


def _vendor_files(nodes: Sequence[Shown]) -> list[Found]:
    certificates = {
        content: node.name for node in reversed(nodes) for content in (*node.vendors(ROOT), *node.vendors(INTERMEDIATE))
    }
    return [Found(TPM_VENDOR, thumbprint(content), content, name) for content, name in sorted(certificates.items())]
