# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An adopted fabric as text: an inventory, and variables for each trust domain. The same fabric gives the same bytes.

Whatever a machine showed is written so that Ansible does not evaluate it: a policy that is named like a template stays
a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from .adoption import EVERYONE, GROUPS, NOT_ADOPTED, Adoption
from .adoption_guardian import SECRETS
from .adoption_model import Template, is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INVENTORY = "fabric.yml"
_VARIABLES = "adopted.yml"
_WIDTH = 120
_HEAD = (
    "Written by guarded.fabric.adopt from what the machines showed; run back, it changes nothing.",
    "It holds no secret. What is added to it belongs into other files beside it.",
)
_DOMAINS = {
    GROUPS["hgs"]: "guardian",
    GROUPS["host"]: "fabric's administrators",
    GROUPS["dns"]: "fabric's administrators",
    GROUPS["tenant"]: "tenant",
    GROUPS["guest"]: "tenant",
}


def texts(adoption: Adoption) -> dict[str, str]:
    """Return the text of each file, by its path below the folder."""
    of_groups = {EVERYONE: adoption.groups.get(EVERYONE, {})}
    of_groups |= {name: adoption.groups.get(name, {}) for name in _DOMAINS if name in adoption.members}
    return {
        INVENTORY: _text(_inventory(adoption), _left_out(adoption)),
        **{f"group_vars/{name}/{_VARIABLES}": _text(of_groups[name], _secrets(name)) for name in sorted(of_groups)},
        **{f"host_vars/{name}/{_VARIABLES}": _text(adoption.machines[name], ()) for name in sorted(adoption.machines)},
    }


def _left_out(adoption: Adoption) -> Sequence[str]:
    if NOT_ADOPTED not in adoption.members:
        return ()
    return (f"No playbook touches the group {NOT_ADOPTED}: the report of the run says why its machines are there.",)


def _secrets(group: str) -> Sequence[str]:
    """Name the variables that are not read back, and whose vault they belong into."""
    if group not in _DOMAINS:
        return ()
    building = SECRETS if group == GROUPS["hgs"] else ()
    return (
        f"In the vault of the {_DOMAINS[group]}, since nothing reads them back:",
        "  ansible_password: that of the account which works on these machines",
        *(f"  {name}: only to build or repair a node" for name in building),
    )


def _inventory(adoption: Adoption) -> Mapping[str, object]:
    """Return the groups; how a machine is reached stands in the first group that lists it."""
    described: set[str] = set()
    children: dict[str, object] = {}
    for group in sorted(adoption.members, key=lambda name: (name not in _DOMAINS, name)):
        names = adoption.members[group]
        hosts = {name: {} if name in described else dict(adoption.connections.get(name, {})) for name in names}
        described.update(names)
        children[group] = {"hosts": hosts}
    return {EVERYONE: {"children": children}}


class _Dumper(yaml.SafeDumper):
    """Writes what Ansible is to evaluate as text, and any other text that it would evaluate as one that it must not."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> Any:  # noqa: ANN401 - a node of the library
    tag = "!unsafe" if is_template(text) else "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, text, style='"' if tag == "!unsafe" else None)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(
    Template, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value.text, style='"')
)


def _text(values: Mapping[str, object], comments: Sequence[str]) -> str:
    head = ["---", *(f"# {line}" for line in (*_HEAD, *comments))]
    # The order of machines in a group is that of the inventory: the first node is the one that others join.
    body = yaml.dump(_ordered(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return "\n".join(head) + "\n" + body


def _ordered(values: Mapping[str, object]) -> dict[str, object]:
    return dict(values) if EVERYONE in values else dict(sorted(values.items()))
