# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a drift check can find: the kinds of finding."""

from __future__ import annotations

from .attestation_status import STATUS, SUBSTATUS, UNKNOWN_STATUS
from .finding_suppressions import EXPIRED
from .findings import Finding, FindingKind, Severity
from .problems import Kind, Owner

DIFFERS = FindingKind(
    "GF-DRF-001",
    Owner.FABRIC,
    "is not as declared",
    "run the playbook that sets it; or, if the change was meant, declare it",
    Severity.WARNING,
    "somebody changed it by hand or by another tool, or the declaration is newer than the last rollout",
)
ABSENT = FindingKind(
    "GF-DRF-002",
    Owner.FABRIC,
    "is declared and not there",
    "run the playbook that brings it; or take it out of the declaration",
    Severity.ERROR,
    "it was removed, or the rollout did not come that far",
)
UNDECLARED = FindingKind(
    "GF-DRF-003",
    Owner.GUARDIAN,
    "is trusted, and nobody declared it",
    "find out who added it; declare it, or remove it with state overridden or deleted",
    Severity.CRITICAL,
    "somebody registered it by hand, or it was taken out of the declaration and never removed",
)
ADMITS_OTHERS = FindingKind(
    "GF-DRF-004",
    Owner.TENANT,
    "has a key protector of another owner or for other guardians than declared",
    "compare the guardians; the owner grants or revokes with the owner's keys",
    Severity.CRITICAL,
    "the owner granted a fabric access or revoked it, or the machine has another machine's protector",
)
NOT_SHIELDED = FindingKind(
    "GF-DRF-005",
    Owner.TENANT,
    "is to be shielded, and is not",
    "run the playbook shield; until then its host's administrators can read it",
    Severity.CRITICAL,
    "it was made anew or restored without its protection, or never shielded",
)
NOT_READY = FindingKind(
    "GF-DRF-006",
    Owner.FABRIC,
    "lacks what it needs before it can be looked at",
    "install or start what is named",
    Severity.ERROR,
    "a feature was removed, a service does not run, or the rollout did not come that far",
)
UNSETTLED = FindingKind(
    "GF-DRF-007",
    Owner.FABRIC,
    "is not in its final state yet",
    "look again later; if it stays so, look at the machine",
    Severity.INFO,
    "it is starting, replicating, or waits for a restart",
)
UNREADABLE = FindingKind(
    "GF-DRF-008",
    Owner.FABRIC,
    "could not be read, so that nothing is known of it",
    "read the message; give the account of the drift check the right to read it",
    Severity.ERROR,
    "missing rights, or a cmdlet that failed",
)
UNSEEN = FindingKind(
    "GF-DRF-009",
    Owner.FABRIC,
    "could not be seen, so that nothing is known of it",
    "see whether it runs, whether the network leads there, and whether the account is let in",
    Severity.ERROR,
    "the machine is down, the network is broken, or the password changed",
)
NOT_ATTESTED = FindingKind(
    "GF-DRF-010",
    Owner.FABRIC,
    "does not pass attestation, so that no shielded virtual machine starts there",
    "do what the findings about its attestation say",
    Severity.ERROR,
    "firmware, Secure Boot, code integrity policy or registration changed",
)
CLOCKS_APART = FindingKind(
    "GF-DRF-011",
    Owner.FABRIC,
    "has a clock that is far from the controller's",
    "repair its time synchronisation; health certificates, Kerberos and TLS fail with wrong clocks",
    Severity.WARNING,
    "time synchronisation is broken",
)
RESTART_PENDING = FindingKind(
    "GF-DRF-012",
    Owner.FABRIC,
    "waits for a restart",
    "restart it in a maintenance window; for a guarded host use the playbook reattest, which looks at what changed",
    Severity.WARNING,
    "updates or features were installed; what the host measures at its next start may match no registered baseline",
)
NODES_DISAGREE = FindingKind(
    "GF-DRF-013",
    Owner.GUARDIAN,
    "is not the same on all nodes of the Host Guardian Service",
    "compare the nodes; see whether replication works, and run the playbook hgs",
    Severity.ERROR,
    "replication is broken, or one node was changed by hand",
)
ENDS_SOON = FindingKind(
    "GF-DRF-014",
    Owner.GUARDIAN,
    "is a certificate that ends soon",
    "make a new one and add it before this one ends; for an owner's guardian, move its machines to a new guardian",
    Severity.WARNING,
    "nobody renewed it yet",
)
ENDED = FindingKind(
    "GF-DRF-015",
    Owner.GUARDIAN,
    "is a certificate that is not valid now",
    "replace it: what depends on it fails",
    Severity.ERROR,
    "nobody renewed it, or the machine's clock is wrong",
)
SUPERSEDED = FindingKind(
    "GF-DRF-016",
    Owner.GUARDIAN,
    "is registered for a class that has a newer one",
    "run the playbook reattest to its end: it retires what no host uses any more",
    Severity.INFO,
    "hosts of the class were updated, and the old one was kept until all of them are",
)

_BY_MACHINE = (DIFFERS, ABSENT, NOT_READY, UNSETTLED, UNREADABLE, UNSEEN, CLOCKS_APART, RESTART_PENDING)
"""Kinds whose findings belong to the trust domain of the machine that shows them."""
_OF_A_KIND = (ADMITS_OTHERS, NOT_SHIELDED, NOT_ATTESTED, NODES_DISAGREE, SUPERSEDED, EXPIRED)
_OF_TWO = {
    UNDECLARED: (Owner.GUARDIAN, Owner.TENANT),
    **dict.fromkeys((ENDS_SOON, ENDED), (Owner.GUARDIAN, Owner.TENANT)),
}
_DOMAINS = (Owner.GUARDIAN, Owner.FABRIC, Owner.TENANT)


def attestation_finding(kind: Kind) -> FindingKind:
    """Return what a host's attestation status means, as a kind of finding."""
    return FindingKind(
        kind.id,
        kind.owner,
        kind.title,
        kind.next_step,
        Severity.ERROR,
        "the host changed, or what HGS demands did; its status and substatus name the part",
    )


ATTESTATION = tuple(attestation_finding(kind) for kind in (*STATUS.values(), *SUBSTATUS.values(), UNKNOWN_STATUS))

SAMPLES = (
    *(Finding(kind, "", owner=owner) for kind in _BY_MACHINE for owner in _DOMAINS),
    *(Finding(kind, "", owner=owner) for kind, owners in _OF_TWO.items() for owner in owners),
    *(Finding(kind, "") for kind in (*_OF_A_KIND, *ATTESTATION)),
)
"""A finding of each kind, and of each owner that it can have: what a query over findings can match."""
