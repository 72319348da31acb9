# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a certificate says, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import certificate_fields, der
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint

if TYPE_CHECKING:
    from collections.abc import Mapping


def certificate_facts(certificate: bytes) -> Mapping[str, object]:
    """Return subject, issuer, validity and thumbprint of a certificate (DER); of what is none the thumbprint alone."""
    named: dict[str, object] = {"thumbprint": thumbprint(certificate)}
    try:
        fields = certificate_fields.read(der.read(certificate, "certificate"))
        return {
            **named,
            "subject": certificate_fields.name_text(fields.subject),
            "issuer": certificate_fields.name_text(fields.issuer),
            "not_before": fields.not_before,
            "not_after": fields.not_after,
        }
    except FormatError as error:
        return {**named, "unreadable": str(error)}


def shown(certificate: bytes) -> str:
    """Return a certificate in a few words."""
    subject = certificate_facts(certificate).get("subject", "unreadable certificate")
    return f"{subject} (thumbprint {thumbprint(certificate)})"
