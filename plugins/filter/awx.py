# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that writes the playbooks of a trust domain's repository in AWX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.playbooks import Exchange, Offer, offered_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def awx_playbooks(domains: Iterable[str]) -> list[dict[str, str]]:
    """Return domain, file and content of each playbook that the domains are offered."""
    return [
        {"domain": domain, "file": f"{offer.playbook}.yml", "content": content(offer)}
        for domain in domains
        for offer in offered_to(domain)
    ]


def content(offer: Offer) -> str:
    """Return a playbook. AWX takes for one only a file of the repository, so each imports one of the collection."""
    before = ["exchange_pull"] if offer.exchange is not Exchange.UNUSED else []
    after = ["exchange_push"] if offer.exchange is Exchange.WRITTEN else []
    imports = (f"- import_playbook: guarded.fabric.{name}\n" for name in (*before, offer.playbook, *after))
    return "".join(("---\n", *imports))


class FilterModule:
    """The collection's filters for AWX."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"awx_playbooks": awx_playbooks}
