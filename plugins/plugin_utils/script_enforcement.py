# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a code integrity policy would lock Ansible out of the host on which it is enforced.

An enforced policy with user mode code integrity runs unsigned scripts in Constrained Language Mode, unless it disables
script enforcement (about_Language_Modes; rule options 0, 3 and 11). The module of this collection works in that mode.
The wrapper that Ansible puts around every module does not: it calls .NET methods, and ansible-core ships it unsigned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .problems import Kind, Owner, Problem

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

USER_MODE, AUDIT, SCRIPTS_ARE_FREE = 0, 3, 11
"""Numbers of rule options: Enabled:UMCI, Enabled:Audit Mode, Disabled:Script Enforcement."""

LOCKS_OUT = Kind(
    "GF-CIP-002",
    Owner.FABRIC,
    "would lock Ansible out once it is enforced: unsigned scripts, Ansible's wrapper among them, would be constrained",
    "set rule option 11 (Disabled:Script Enforcement) or leave the policy in audit mode; or sign Ansible's scripts "
    "with a certificate that the policy trusts, try that on one host, and set accept_constrained_language",
)


def constrains(options: AbstractSet[int]) -> bool:
    """Whether unsigned scripts are constrained under a policy with these rule options, by number."""
    return USER_MODE in options and AUDIT not in options and SCRIPTS_ARE_FREE not in options


def why_not(options: AbstractSet[int], thing: str) -> Problem | None:
    """Return why a policy with these rule options must not come into force on a host that Ansible manages."""
    return Problem(LOCKS_OUT, thing, "rule options 0 without 3 and 11") if constrains(options) else None
