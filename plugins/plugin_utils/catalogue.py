# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every resource of the collection by the name of its module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .resources import (
    attestation_hosts,
    attestation_policies,
    bitlocker_volumes,
    code_integrity_policy,
    dns_client,
    dns_conditional_forwarders,
    guardians,
    hgs_client,
    hgs_server,
    maintenance_mode,
    shielded_vms,
    trusted_tpm_certificates,
    windows_features,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .resource import Resource

RESOURCES: Mapping[str, Resource] = {
    item.name: item
    for item in (
        attestation_hosts.RESOURCE,
        attestation_policies.RESOURCE,
        bitlocker_volumes.RESOURCE,
        code_integrity_policy.RESOURCE,
        dns_client.RESOURCE,
        dns_conditional_forwarders.RESOURCE,
        guardians.RESOURCE,
        hgs_client.RESOURCE,
        hgs_server.RESOURCE,
        maintenance_mode.RESOURCE,
        shielded_vms.RESOURCE,
        trusted_tpm_certificates.RESOURCE,
        windows_features.RESOURCE,
    )
}
