# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of HGS's baselines and code integrity policies no host uses any more.

A policy under a name that says what it holds is used by the hosts that showed the same. What a policy under the bare
name of a class holds nobody can tell: it is needed until every host uses one whose name says it. A host that was not
seen may need any of them. Policies under other names are somebody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from .policy_names import content_name, parse


@dataclass(frozen=True)
class Registered:
    """A policy of one type at HGS: its name, and whether it is in force."""

    name: str
    enabled: bool


@dataclass(frozen=True)
class Shown:
    """What the hosts showed of one type of evidence.

    used: fingerprint by host. approved: fingerprint of the approved artifact by class. unseen: hosts that HGS knows and
    that were not asked.
    """

    used: Mapping[str, str]
    approved: Mapping[str, str]
    unseen: Collection[str]

    def without(self, hosts: Collection[str]) -> Shown:
        """Return the same with more hosts that were not asked."""
        return replace(self, unseen=tuple(dict.fromkeys((*self.unseen, *hosts))))


@dataclass(frozen=True)
class Retirement:
    """Names of policies that no host uses, and for each of the others that are of a class why it stays."""

    unused: tuple[str, ...]
    kept: Mapping[str, str]


def retirement(policies: Iterable[Registered], shown: Shown) -> Retirement:
    """Decide which policies of one type can go."""
    policies = tuple(policies)
    enabled = {named.digits for policy in policies if policy.enabled and (named := parse(policy.name)) is not None}
    kept = {policy.name: reason for policy in policies if (reason := _reason(policy.name, enabled, shown))}
    return Retirement(
        unused=tuple(
            policy.name for policy in policies if _is_of_a_class(policy.name, shown) and policy.name not in kept
        ),
        kept=kept,
    )


def _is_of_a_class(name: str, shown: Shown) -> bool:
    named = parse(name)
    return (name if named is None else named.class_name).casefold() in {item.casefold() for item in shown.approved}


def _reason(name: str, enabled: Collection[str], shown: Shown) -> str:
    """Return why a policy of a class stays; nothing for one that can go, and for one that is somebody else's."""
    if not _is_of_a_class(name, shown):
        return ""
    if shown.unseen:
        return f"not seen: {', '.join(sorted(shown.unseen))}"
    named = parse(name)
    digits = {host: content_name("", fingerprint).digits for host, fingerprint in shown.used.items()}
    if named is None:
        users = sorted(host for host, own in digits.items() if own not in enabled)
        return f"may be used by {', '.join(users)}" if users else ""
    users = sorted(host for host, own in digits.items() if own == named.digits)
    if users:
        return f"used by {', '.join(users)}"
    approved = {content_name(item, fingerprint).digits for item, fingerprint in shown.approved.items()}
    return "the one that was approved last" if named.digits in approved else ""
