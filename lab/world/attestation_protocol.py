# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and names that both ends of the attestation protocol speak of ([MS-HGSA] 2.2.1 and 2.2.2)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

TYPE_HINT: Final = ":#Microsoft.Windows.RemoteAttestation.Core"
"""What follows a message's name in its `__type`."""


class OperationMode(IntEnum):
    """AttestationOperationMode ([MS-HGSA] 2.2.1.1)."""

    UNKNOWN = 0
    TPM = 1
    ACTIVE_DIRECTORY = 2
    HOST_KEY = 3


class ProvidedContent(IntEnum):
    """AttestationProvidedContentType ([MS-HGSA] 2.2.1.2)."""

    VIRTUAL_SECURE_MODE_IDENTITY_KEY = 1
    RTPM_CONTEXT = 2
    HEALTH_CERTIFICATE = 3
    ENDORSEMENT_KEY_CERTIFICATE = 4
    CA_TRUSTLET_USER_DATA = 5
    CA_TRUSTLET_VSM_REPORT = 6
    CA_TRUSTLET_REPORT_SIGNATURE = 7
    HOST_KEY_PUBLIC_KEY = 8
    HOST_KEY_SIGNATURE = 9


class ResultType(IntEnum):
    """AttestationResultType ([MS-HGSA] 2.2.1.3)."""

    IDENTITY_ENCRYPTION_KEY_CERTIFICATE = 1
    IDENTITY_SIGNING_KEY_CERTIFICATE = 2
    CA_INTERMEDIATE_CERTIFICATE = 3


QUOTED_PCRS: Final = range(15)
"""PCRs that host and service speak of: firmware, Secure Boot and Windows (0-14). Lab only."""
