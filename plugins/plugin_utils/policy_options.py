# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What config asks of the rule options of a code integrity policy, and whether a policy is so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import RULE_OPTIONS, Policy, has_option

from . import script_enforcement
from .problems import FabricError, Kind, Owner, Problem
from .windows_values import texts

if TYPE_CHECKING:
    from .resource import Item

AUDIT_MODE, ENFORCED = "audit", "enforced"
_HVCI = 1
"""Bit of a policy's HVCI options."""

CONTRADICTION = Kind(
    "GF-CIP-003",
    Owner.CONTROLLER,
    "is told both to set and to remove a rule option",
    "name each rule option once; mode stands for rule option 3 (audit mode)",
)


@dataclass(frozen=True)
class Asked:
    """What config asks of a policy's rule options, by number, and of the hypervisor."""

    set: frozenset[int]
    removed: frozenset[int]
    hypervisor_enforced: bool | None

    @property
    def is_anything(self) -> bool:
        """Whether config asks for anything."""
        return bool(self.set or self.removed or self.hypervisor_enforced is not None)

    def is_met(self, policy: Policy) -> bool:
        """Whether a policy is as asked."""
        options = numbers_of(policy)
        is_enforced = bool(policy.hvci_options & _HVCI)
        is_hvci = self.hypervisor_enforced in (None, is_enforced)
        return self.set <= options and not self.removed & options and is_hvci


def numbers_of(policy: Policy) -> frozenset[int]:
    """Return the numbers of a policy's rule options; those without a number are left out."""
    return frozenset(
        option.number for option in RULE_OPTIONS if option.number is not None and has_option(policy, option.name)
    )


def asked(item: Item) -> Asked:
    """Return what an item asks for."""
    made = item.get("scan") or item.get("example")
    options = made if isinstance(made, Mapping) else {}
    audit, mode = frozenset({script_enforcement.AUDIT}), item.get("mode")
    return Asked(
        set=frozenset(_listed(options.get("rule_options"))) | (audit if mode == AUDIT_MODE else frozenset()),
        removed=frozenset(_listed(options.get("removed_rule_options"))) | (audit if mode == ENFORCED else frozenset()),
        hypervisor_enforced=options.get("hypervisor_enforced"),
    )


def check(item: Item) -> None:
    """Raise FabricError where an item contradicts itself."""
    wanted = asked(item)
    both = sorted(wanted.set & wanted.removed)
    if both:
        raise FabricError(Problem(CONTRADICTION, "the code integrity policy", ", ".join(map(str, both))))


def _listed(value: object) -> list[int]:
    return [int(text) for text in texts(value)]
