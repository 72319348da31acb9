# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rollout as workflows. What crosses a trust boundary waits for a person of the domain that receives it.

Who may approve is decided in AWX by workflow, not by node. So each crossing is a workflow of the organization that
receives, and the workflow of the rollout runs them in turn: nobody approves for another domain.
"""

from __future__ import annotations

from dataclasses import dataclass

from .playbooks import FABRIC, GUARDIAN, TENANT


@dataclass(frozen=True)
class Step:
    """A playbook of a domain."""

    domain: str
    playbook: str


@dataclass(frozen=True)
class Crossing:
    """A playbook of a domain that takes in what another domain made, once somebody has approved.

    approver: the variable in which the playbook is told who approved, "" where it does not ask.
    """

    domain: str
    playbook: str
    workflow: str
    question: str
    approver: str = ""

    @property
    def said_approver(self) -> str:
        """What the playbook is told: AWX keeps the person with the approval."""
        return f"whoever approved {self.workflow!r} in AWX"


ROLLOUT: tuple[Step | Crossing, ...] = (
    Step(GUARDIAN, "hgs"),
    Step(FABRIC, "fabric_dns"),
    Step(FABRIC, "prepare_hosts"),
    Crossing(
        GUARDIAN,
        "register",
        "take evidence in",
        "Evidence of the fabric's hosts is to be trusted: platform identifiers, TPM baselines, code integrity policies",
        "attestation_approved_by",
    ),
    Step(FABRIC, "attest"),
    Crossing(
        TENANT,
        "key_protectors",
        "take guardians in",
        "The guardian's metadata is to be trusted: its fabric will be able to start the virtual machines",
        "shielded_vm_approved_by",
    ),
    Crossing(
        FABRIC,
        "shield",
        "take key protectors in",
        "The tenant's key protectors are to be set, and virtual machines shielded",
    ),
    Step(TENANT, "encrypt_guests"),
)
"""The playbooks of site.yml that change something, in its order."""


def crossings(domain: str) -> tuple[Crossing, ...]:
    """Return what a domain takes in from others."""
    return tuple(step for step in ROLLOUT if isinstance(step, Crossing) and step.domain == domain)
