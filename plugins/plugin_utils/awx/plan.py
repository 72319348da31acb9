# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects of AWX that a guarded fabric needs, in the order in which they can be made.

Some modules look for what is referred to by its name alone, in every organization: so names begin with that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.drift_findings import ENDED, ENDS_SOON

from . import notifications
from .credential_types import CUSTOM, EXCHANGE, HGS, CredentialType
from .items import Item, Key
from .playbooks import DOMAINS, DRIFT, MERGE, Exchange, Offer, offered_to
from .rollout import ROLLOUT, Crossing, Step, crossings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .settings import Domain, Notification, Setup

EXCHANGE_DIRECTORY = "/tmp/guarded-fabric/exchange"  # noqa: S108 - of the job's own container, which is thrown away
DRIFT_FOLDER = "/tmp/guarded-fabric/drift"  # noqa: S108 - likewise
TEAM_ROLES = ("read", "execute", "approval")
"""Roles of an organization that its team has: it sees and starts what is there, and administers nothing."""
ABOUT_CERTIFICATES = f"[?id=='{ENDS_SOON.id}' || id=='{ENDED.id}']"
CERTIFICATES = "certificates"
APPROVAL = "approval"

Workflow = tuple[str, str]
"""Name and organization."""


def items(setup: Setup) -> list[Item]:
    """Return everything there is to be."""
    types = [_credential_type(setup, kind) for kind in CUSTOM]
    domains = [item for domain in setup.domains for item in _domain(setup, domain)]
    return [*types, *domains, *_rollout(setup)]


def credential_type_name(setup: Setup, kind: CredentialType) -> str:
    """Return what a type of ours is called in AWX."""
    return f"{setup.prefix} {kind.name}"


def template_name(domain: Domain, playbook: str) -> str:
    """Return what the job template of a playbook is called."""
    return f"{domain.organization}: {playbook}"


def _credential_type(setup: Setup, kind: CredentialType) -> Item:
    name = credential_type_name(setup, kind)
    told = {"kind": "cloud", "inputs": kind.inputs, "injectors": kind.injectors}
    return Item("credential_type", name, {"name": name}, told)


def _organization(name: str, description: str) -> Item:
    return Item("organization", name, {"name": name}, {"description": description})


def _domain(setup: Setup, domain: Domain) -> Iterator[Item]:
    name, own = domain.organization, _of(domain.organization)
    yield _organization(name, f"Trust domain {domain.domain} of a guarded fabric")
    yield Item("team", name, {"name": name, **own}, {"description": f"Runs the domain {domain.domain}"}, (_org(name),))
    credentials = list(_credentials(setup, domain))
    yield from credentials
    held = {item.name: item.key for item in credentials}
    yield from _project(setup, domain, held)
    for told in domain.notifications:
        yield _notification(domain, told)
    templates = [_template(domain, offer, held) for offer in _offered(domain)]
    templates.append(_certificate_template(domain, held))
    yield from templates
    yield from _domain_workflows(domain)
    yield from _schedules(setup, domain)
    for role in TEAM_ROLES:
        yield _role(f"{role} of {name} for its team", role, {"teams": [name], "organizations": [name]}, (_org(name),))
    for user in domain.members:
        yield _role(f"{user} in team {name}", "member", {"users": [user], "target_teams": [name]}, (("team", name),))


def _credentials(setup: Setup, domain: Domain) -> Iterator[Item]:
    managed = (
        ("project", "Source Control", domain.project.credential),
        ("machines", "Machine", domain.machine),
        ("guests", "Machine", domain.guests),
        ("registry", "Container Registry", setup.image.registry),
    )
    for what, kind, inputs in managed:
        if inputs:
            yield _credential(domain, what, kind, inputs, ())
    for what, ours, inputs in (("HGS", HGS, domain.hgs), ("exchange", EXCHANGE, domain.exchange)):
        if inputs:
            kind = credential_type_name(setup, ours)
            yield _credential(domain, what, kind, inputs, (("credential_type", kind),))


def _credential(domain: Domain, what: str, kind: str, inputs: Mapping[str, object], of_type: tuple[Key, ...]) -> Item:
    name = template_name(domain, what)
    identity = {"name": name, "credential_type": kind, **_of(domain.organization)}
    return Item("credential", name, identity, {"inputs": inputs}, (_org(domain.organization), *of_type))


def _project(setup: Setup, domain: Domain, held: Mapping[str, Key]) -> Iterator[Item]:
    name, own, org = domain.organization, _of(domain.organization), _org(domain.organization)
    registry, reader = template_name(domain, "registry"), template_name(domain, "project")
    image = {"image": setup.image.image, "pull": setup.image.pull, **own}
    told = {**image, "credential": registry} if registry in held else image
    yield Item("execution_environment", name, {"name": name}, told, (), (org, *_held(held, registry)))
    source = {
        "scm_type": "git",
        "scm_url": domain.project.url,
        "scm_branch": domain.project.branch,
        "scm_update_on_launch": True,
    }
    told = {**source, "credential": reader} if reader in held else source
    yield Item("project", name, {"name": name, **own}, told, (org,), _held(held, reader))
    inventory: Key = ("inventory", name)
    variables = {"exchange_directory": EXCHANGE_DIRECTORY, **domain.variables}
    # Without `kind` the module compares nothing with "" in check mode, and finds a difference.
    yield Item("inventory", name, {"name": name, **own}, {"variables": variables, "kind": ""}, (org,))
    told = {
        "source": "scm",
        "source_project": name,
        "source_path": domain.inventory_file,
        "update_on_launch": True,
        "overwrite": True,
        "overwrite_vars": True,
    }
    identity = {"name": name, "inventory": name, **own}
    yield Item("inventory_source", name, identity, told, (org, inventory), (("project", name),))


def _notification(domain: Domain, told: Notification) -> Item:
    name = template_name(domain, told.name)
    configuration = notifications.whole(told.type, told.configuration)
    settings = {"notification_type": told.type, "notification_configuration": configuration}
    identity = {"name": name, **_of(domain.organization)}
    secret = bool(notifications.secrets(configuration))
    return Item("notification_template", name, identity, settings, (_org(domain.organization),), secret=secret)


def _offered(domain: Domain) -> Iterable[Offer]:
    return (offer for offer in offered_to(domain.domain) if offer.playbook != MERGE or domain.drift_slices > 1)


def _template(domain: Domain, offer: Offer, held: Mapping[str, Key]) -> Item:
    variables: dict[str, object] = {"exchange_directory": EXCHANGE_DIRECTORY}
    told: dict[str, object] = {"ask_limit_on_launch": True}
    if offer.playbook in (DRIFT, MERGE):
        variables["drift_folder"] = DRIFT_FOLDER
    if offer.playbook == DRIFT and domain.drift_slices > 1:
        variables["drift_hand_over"] = True
        told["job_slice_count"] = domain.drift_slices
    if offer.questions:
        told["survey_enabled"] = True
        told["survey_spec"] = {"name": "", "description": "", "spec": [one.spec() for one in offer.questions]}
    return _job_template(domain, offer, held, template_name(domain, offer.playbook), {"extra_vars": variables, **told})


def _certificate_template(domain: Domain, held: Mapping[str, Key]) -> Item:
    """Return the drift check that fails where a certificate is a finding, and for nothing else."""
    (offer,) = (offer for offer in offered_to(domain.domain) if offer.playbook == DRIFT)
    variables = {
        "exchange_directory": EXCHANGE_DIRECTORY,
        "drift_folder": DRIFT_FOLDER,
        "drift_fail_at": [{"severity": "warning", "query": ABOUT_CERTIFICATES}],
    }
    return _job_template(domain, offer, held, template_name(domain, CERTIFICATES), {"extra_vars": variables})


def _job_template(domain: Domain, offer: Offer, held: Mapping[str, Key], name: str, more: Mapping[str, object]) -> Item:
    org = domain.organization
    credentials = [template_name(domain, what) for what in _wanted(offer)]
    credentials = [credential for credential in credentials if credential in held]
    told = {
        "description": f"Playbook guarded.fabric.{offer.playbook}",
        "job_type": "run",
        "ask_job_type_on_launch": True,
        "project": org,
        "playbook": f"{domain.playbook_folder}/{offer.playbook}.yml".lstrip("/"),
        "inventory": org,
        "execution_environment": org,
        "credentials": credentials,
        **_told_of(domain, ("started", "success", "error")),
        **more,
    }
    needs: list[Key] = [(kind, org) for kind in ("project", "inventory", "execution_environment")]
    needs += [held[credential] for credential in credentials]
    return Item("job_template", name, {"name": name, **_of(org)}, told, (_org(org),), (*needs, *_notifications(domain)))


def _wanted(offer: Offer) -> tuple[str, ...]:
    machines = "guests" if offer.playbook == "encrypt_guests" else "machines"
    exchange = () if offer.exchange is Exchange.UNUSED else ("exchange",)
    return (machines, *exchange, *(("HGS",) if offer.playbook in ("hgs", DRIFT) else ()))


def _domain_workflows(domain: Domain) -> Iterator[Item]:
    for crossing in crossings(domain.domain):
        workflow = (template_name(domain, crossing.workflow), domain.organization)
        told = _told_of(domain, ("started", "success", "error", "approvals"))
        yield _workflow(workflow, crossing.question, told, _notifications(domain))
        name = template_name(domain, crossing.playbook)
        data = {"extra_data": {crossing.approver: crossing.said_approver}} if crossing.approver else {}
        yield _node(workflow, crossing.playbook, {**_runs(name, domain.organization), **data}, _job(name))
        asked = {"name": crossing.question, "description": f"before {crossing.playbook}"}
        yield _node(workflow, APPROVAL, {"approval_node": asked})
        # In one task with the approval, the module would ask the approval's template for what follows.
        approval = _node(workflow, APPROVAL, {"success_nodes": [crossing.playbook]})
        finds = (*approval.finds, approval.key, _node_key(workflow, crossing.playbook))
        yield replace(approval, name=f"{approval.name}, followed by {crossing.playbook}", finds=finds)
    if domain.drift_slices > 1:
        workflow = (_drift_workflow(domain), domain.organization)
        yield _workflow(workflow, "The drift check in slices, and one report of them")
        merge, drift = template_name(domain, MERGE), template_name(domain, DRIFT)
        yield _node(workflow, MERGE, _runs(merge, domain.organization), _job(merge))
        # A slice that failed still says which of its machines were not seen.
        told = {**_runs(drift, domain.organization), "always_nodes": [MERGE]}
        yield _node(workflow, DRIFT, told, _job(drift), _node_key(workflow, MERGE))


def _drift_workflow(domain: Domain) -> str:
    return template_name(domain, "drift in slices")


def _schedules(setup: Setup, domain: Domain) -> Iterator[Item]:
    drift: Key = _job(template_name(domain, DRIFT))
    if domain.drift_slices > 1:
        drift = ("workflow_job_template", _drift_workflow(domain))
    certificates = _job(template_name(domain, CERTIFICATES))
    for what, rule, runs in (
        ("nightly", setup.drift_rule, drift),
        ("weekly certificates", setup.certificate_rule, certificates),
    ):
        if rule:
            name = template_name(domain, what)
            identity = {"name": name, "unified_job_template": runs[1], **_of(domain.organization)}
            yield Item("schedule", name, identity, {"rrule": rule}, (_org(domain.organization), runs))


def _rollout(setup: Setup) -> Iterator[Item]:
    domains = {domain.domain: domain for domain in setup.domains}
    if set(domains) != set(DOMAINS):
        return  # who has not all of them runs the steps of their own
    org = f"{setup.prefix} rollout"
    workflow = (org, org)
    yield _organization(org, "The rollout across the trust domains of a guarded fabric; it holds no credential")
    yield _workflow(workflow, "Builds the guarded fabric, and waits where evidence crosses a trust boundary")
    following: str | None = None
    # The last first: a node names those that follow it.
    for step in reversed(ROLLOUT):
        domain = domains[step.domain]
        runs, key = _unit(domain, step)
        follows = {"success_nodes": [following]} if following else {}
        needs = (key, *((_node_key(workflow, following),) if following else ()))
        yield _node(workflow, step.playbook, {**_runs(runs, domain.organization), **follows}, *needs)
        following = step.playbook
    for domain in setup.domains:
        role = "execute" if domain.domain in setup.rollout_started_by else "read"
        team: Key = ("team", domain.organization)
        told = {"teams": [domain.organization], "workflows": [org]}
        yield _role(f"{role} of {org} for {domain.organization}", role, told, (team, ("workflow_job_template", org)))


def _unit(domain: Domain, step: Step | Crossing) -> tuple[str, Key]:
    if isinstance(step, Crossing):
        name = template_name(domain, step.workflow)
        return name, ("workflow_job_template", name)
    name = template_name(domain, step.playbook)
    return name, _job(name)


def _workflow(
    workflow: Workflow, description: str, told: Mapping[str, object] | None = None, needs: tuple[Key, ...] = ()
) -> Item:
    name, org = workflow
    identity, settings = {"name": name, **_of(org)}, {"description": description, **(told or {})}
    return Item("workflow_job_template", name, identity, settings, (_org(org),), needs)


def _node_key(workflow: Workflow, identifier: str) -> Key:
    return ("workflow_job_template_node", f"{workflow[0]}/{identifier}")


def _node(workflow: Workflow, identifier: str, told: Mapping[str, object], *needs: Key) -> Item:
    name, org = workflow
    kind, path = _node_key(workflow, identifier)
    identity = {"identifier": identifier, "workflow_job_template": name, **_of(org)}
    return Item(kind, path, identity, told, (_org(org), ("workflow_job_template", name)), needs)


def _runs(template: str, organization: str) -> dict[str, object]:
    return {"unified_job_template": template, "lookup_organization": organization}


def _role(name: str, role: str, told: Mapping[str, object], needs: tuple[Key, ...]) -> Item:
    return Item("role", name, {"role": role, **told}, {}, needs)


def _told_of(domain: Domain, events: Sequence[str]) -> dict[str, object]:
    """Return whom AWX tells of which events, each list also where it is empty: somebody may have been taken off it."""
    return {
        f"notification_templates_{event}": [
            template_name(domain, one.name) for one in domain.notifications if event in one.events
        ]
        for event in events
    }


def _notifications(domain: Domain) -> tuple[Key, ...]:
    return tuple(("notification_template", template_name(domain, one.name)) for one in domain.notifications)


def _of(organization: str) -> dict[str, object]:
    return {"organization": organization}


def _org(name: str) -> Key:
    return ("organization", name)


def _job(name: str) -> Key:
    return ("job_template", name)


def _held(held: Mapping[str, Key], name: str) -> tuple[Key, ...]:
    return (held[name],) if name in held else ()
