# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lookup that lists who can start which virtual machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.plugin_utils import requirements, start_rights
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import GUARDIAN_METADATA, KEY_PROTECTOR
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import in_use
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCUMENTATION = r"""
name: who_can_start
author: guarded.fabric contributors
version_added: 0.2.0
short_description: Who can start which virtual machine
description:
  - Lists for each virtual machine its owner, the guardians whose fabrics can start it, and the hosts of this fabric
    that attest now. It follows from the key protectors, on the hosts and in the exchange directory, and not from what
    anybody configured.
  - The owner of a key protector can start the machine anywhere, with the owner's keys.
  - Runs on the controller and reads files of the exchange directory. An artifact that does not match its sidecar stops
    it.
requirements:
  - cryptography and lxml on the controller
options:
  _terms:
    description: The exchange directory.
    required: true
  machines:
    description:
      - What M(guarded.fabric.shielded_vms) gathered, by host. Name the machines in its config, as only of those
        that are named the protector is read. Without it, the protectors of the exchange directory count.
    type: dict
    default: {}
  hosts:
    description:
      - What M(guarded.fabric.hgs_client) gathered, by host. A host that could not be asked has nothing and is unknown.
    type: dict
    default: {}
  guardians:
    description:
      - What M(guarded.fabric.guardians) gathered, for the names of owners.
    type: list
    elements: dict
    default: []
  fabric:
    description:
      - Name of the guardian metadata of the HGS that O(hosts) attest to. Where it is left out and the exchange
        directory has the metadata of one guardian, it is that one; where it has more, no host is listed.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show who could start what was made
  ansible.builtin.debug:
    msg: "{{ query('guarded.fabric.who_can_start', '/srv/exchange') }}"

- name: Stop where a stranger could start the payroll
  ansible.builtin.assert:
    that: >-
      query('guarded.fabric.who_can_start', exchange_directory) | selectattr('name', 'equalto', 'payroll')
      | map(attribute='guardians') | flatten | map(attribute='name') | difference(['fabric']) == []
"""

RETURN = r"""
_list:
  description:
    - A mapping for each machine and host. C(name), C(host), which is empty for one that only the exchange directory
      knows, C(seen), whether its protector was read on the host, C(protected), C(owner) and C(guardians) with C(name),
      C(thumbprint) of the signing certificate and C(approved_by), C(agrees_with_exchange), and C(doubts), what is wrong
      with the signatures of the protector.
    - Each of C(guardians) has C(hosts), those of this fabric that attest now, or null where its fabric is another one,
      and C(unknown_hosts), of which nobody knows whether they attest.
  type: list
  elements: dict
"""


def _guardians(exchange: str) -> Iterator[start_rights.Guardian]:
    for name, artifact in in_use(exchange, GUARDIAN_METADATA):
        approval = artifact.sidecar.approval if artifact.sidecar else None
        yield from start_rights.read_metadata(name, artifact.content or b"", approval.by if approval else "")


def _owners(guardians: list[Mapping[str, Any]]) -> Iterator[start_rights.Guardian]:
    for item in guardians:
        if item.get("signing_thumbprint"):
            yield start_rights.Guardian(str(item["name"]), str(item["signing_thumbprint"]))


def rights(exchange: str, options: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return who can start what. Raises FabricError or FormatError for an artifact that is none."""
    metadata = list(_guardians(exchange))
    names = {guardian.name for guardian in metadata}
    fabric = options["fabric"] or (next(iter(names)) if len(names) == 1 else "")
    thumbprints = frozenset(guardian.thumbprint for guardian in metadata if guardian.name == fabric)
    filed = {
        name: start_rights.read_protection(artifact.content or b"")
        for name, artifact in in_use(exchange, KEY_PROTECTOR)
    }
    return start_rights.rows(
        start_rights.placed(options["machines"]),
        filed,
        # What was approved here names a guardian, whatever the tenant calls it.
        [*_owners(options["guardians"]), *metadata],
        start_rights.Fabric(thumbprints, *start_rights.attesting(options["hosts"])),
    )


class LookupModule(LookupBase):
    """Lists who can start what."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, object]]:  # noqa: ANN401
        """Return the rows of all exchange directories."""
        if absent := requirements.missing():
            raise AnsibleLookupError(f"{' and '.join(absent)} not found: install the collection's requirements.txt")
        plugin: Any = self  # ansible-core gives these no types
        plugin.set_options(var_options=variables, direct=kwargs)
        options: Mapping[str, Any] = plugin.get_options()
        try:
            return [row for exchange in terms for row in rights(str(exchange), options)]
        except (FabricError, FormatError) as error:
            raise AnsibleLookupError(str(error)) from error
