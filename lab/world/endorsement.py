# SPDX-License-Identifier: GPL-3.0-or-later
"""How the Host Guardian Service names and trusts the endorsement keys of TPMs."""

from __future__ import annotations

from typing import Final

from ansible_collections.guarded.fabric.plugins.module_utils.endorsement_key import fingerprint

ROOT_STORE: Final = r"localmachine\trustedtpm_rootca"
INTERMEDIATE_STORE: Final = r"localmachine\trustedtpm_intermediateca"
"""Stores of a node that hold whom it trusts to certify TPMs (WSD install-trusted-tpm-root-certificates)."""


def identifier(endorsement_key: bytes) -> str:
    """Return what HGS shows as a TPM host's Identifier, for a key as DER SubjectPublicKeyInfo.

    It is a hash of the key (GuardedFabricTools compares it with HGS's events); which one of which form is lab only.
    """
    return fingerprint(endorsement_key)
