# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server says about itself, as far as it counts for becoming a guarded host. None: it could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HYPERVISOR, SECURE_BOOT, DMA_PROTECTION = 1, 2, 3
"""Members of Available- and RequiredSecurityProperties of Win32_DeviceGuard."""


@dataclass(frozen=True)
class HostFacts:
    """The facts of one server.

    build: of Windows, such as 20348. endorsement_certificates: DER. *_properties: members of Win32_DeviceGuard's sets.
    dumps: whether crash dumps are written. errors: what the calls said that were refused, by call.
    """

    caption: str | None = None
    build: int | None = None
    is_server: bool | None = None
    datacenter: bool | None = None
    hyper_v: bool | None = None
    host_guardian: bool | None = None
    feature_restart_pending: bool | None = None
    restart_pending: bool | None = None
    tpm_present: bool | None = None
    tpm_ready: bool | None = None
    tpm_version: str | None = None
    endorsement_certificates: tuple[bytes, ...] | None = None
    uefi: bool | None = None
    secure_boot: bool | None = None
    vbs_running: bool | None = None
    memory_integrity_running: bool | None = None
    available_properties: frozenset[int] | None = None
    required_properties: frozenset[int] | None = None
    code_integrity: str | None = None
    debugging: bool | None = None
    test_signing: bool | None = None
    dumps: bool | None = None
    dump_encryption: bool | None = None
    hibernation: bool | None = None
    page_file_encryption: bool | None = None
    system_volume_protected: bool | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def iommu(self) -> bool | None:
        """Whether the computer offers protection against DMA, for which it needs an IOMMU."""
        return None if self.available_properties is None else DMA_PROTECTION in self.available_properties
