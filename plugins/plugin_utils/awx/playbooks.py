# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's playbooks as AWX offers them: to whom, what is asked, and what of the exchange directory they need.

This is the one table of them. What is in neither of its halves fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

GUARDIAN, FABRIC, TENANT = "guardian", "fabric", "tenant"
DOMAINS = (GUARDIAN, FABRIC, TENANT)


class Exchange(Enum):
    """What a playbook does with the exchange directory."""

    UNUSED = "unused"
    READ = "read"
    WRITTEN = "written"


@dataclass(frozen=True)
class Question:
    """A question of a survey. An answer left empty has to mean the same as none, as AWX passes both."""

    variable: str
    text: str
    default: str | int = ""
    choices: tuple[str, ...] = ()

    def spec(self) -> dict[str, object]:
        """Return it as AWX has it."""
        kind = "multiplechoice" if self.choices else "integer" if isinstance(self.default, int) else "text"
        limits = {"min": 0, "max": 1_000_000} if kind == "integer" else {"min": 0, "max": 1024}
        return {
            "question_name": self.text,
            "question_description": f"Variable {self.variable}",
            "required": False,
            "type": kind,
            "variable": self.variable,
            "default": self.default,
            "choices": list(self.choices) if self.choices else "",
            **limits,
        }


@dataclass(frozen=True)
class Offer:
    """A playbook that is a job template of some trust domains."""

    playbook: str
    domains: tuple[str, ...]
    exchange: Exchange = Exchange.UNUSED
    questions: tuple[Question, ...] = ()


_YES_OR_NO = ("false", "true")
_RESTART = Question("guarded_host_reboot_timeout", "Seconds to wait for a host that restarts", 1800)

DRIFT, MERGE = "drift", "drift_merge"
OFFERED = (
    Offer(
        "hgs",
        (GUARDIAN,),
        Exchange.WRITTEN,
        (Question("hgs_reboot_timeout", "Seconds to wait for a node that restarts", 1800),),
    ),
    Offer("fabric_dns", (FABRIC,)),
    Offer("prepare_hosts", (FABRIC,), Exchange.WRITTEN, (_RESTART,)),
    Offer(
        "register",
        (GUARDIAN,),
        Exchange.WRITTEN,
        (
            Question("attestation_approved_by", "Who approves the evidence; empty: nobody does"),
            Question("attestation_approval_reason", "Why it is approved", "approved by the guardian's playbook"),
        ),
    ),
    Offer("attest", (FABRIC,), Exchange.WRITTEN, (_RESTART,)),
    Offer(
        "key_protectors",
        (TENANT,),
        Exchange.WRITTEN,
        (Question("shielded_vm_approved_by", "Who approves the guardian's metadata; empty: nobody does"),),
    ),
    Offer(
        "shield",
        (FABRIC,),
        Exchange.READ,
        (Question("shielded_vm_allow_stop", "Stop virtual machines that run", "false", _YES_OR_NO),),
    ),
    Offer(
        "encrypt_guests",
        (TENANT,),
        Exchange.UNUSED,
        (Question("shielded_vm_guest_timeout", "Seconds to wait for a guest", 600),),
    ),
    Offer("status", DOMAINS),
    Offer(
        "readiness",
        (FABRIC,),
        Exchange.UNUSED,
        (Question("readiness_bitlocker", "Look at BitLocker too", "false", _YES_OR_NO),),
    ),
    Offer(
        "code_integrity",
        (FABRIC,),
        Exchange.WRITTEN,
        (Question("code_integrity_step", "What to do", "report", ("report", "audit", "enforce")),),
    ),
    Offer(
        "reattest",
        (GUARDIAN, FABRIC),
        Exchange.WRITTEN,
        (
            Question("guarded_host_update_role", "Role that installs an update; empty: nothing is installed"),
            Question("attestation_approved_by", "Who approves the change; empty: nobody does"),
        ),
    ),
    Offer(
        "who_can_start",
        (FABRIC, TENANT),
        Exchange.READ,
        (Question("guardian_name", "Name of the fabric's guardian"),),
    ),
    Offer(
        DRIFT,
        DOMAINS,
        Exchange.READ,
        (
            Question("drift_certificate_days", "Days left from which on a certificate is a finding", 30),
            Question("drift_clock_seconds", "Seconds by which clocks may differ", 300),
            Question("drift_machine_seconds", "Seconds to wait for a machine to show its state", 600),
        ),
    ),
    Offer(MERGE, DOMAINS),
)
WITHHELD = {
    "site": "it takes the credentials of all trust domains at once; the workflow of the rollout stands for it",
    "schedule": "it installs a timer on a controller; AWX has schedules of its own",
    "adopt": "it writes inventories onto the disk of a controller, which a job of AWX does not keep",
    "awx": "it sets AWX up, with an administrator's account",
    "exchange_pull": "a step of the playbooks that use the exchange directory",
    "exchange_push": "likewise",
}
"""Playbooks that are no job template, and why."""


def offered_to(domain: str) -> tuple[Offer, ...]:
    """Return what a trust domain is offered."""
    return tuple(offer for offer in OFFERED if domain in offer.domains)
