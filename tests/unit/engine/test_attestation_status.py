# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_status import (
    STATUS,
    SUBSTATUS,
    UNKNOWN_STATUS,
    attestation,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner

WORDS = (
    *("BitLocker", "CodeIntegrityPolicy", "DumpsEnabled", "DumpEncryption", "DumpEncryptionKey", "FullBoot"),
    *("HibernationEnabled", "HypervisorEnforcedCodeIntegrityPolicy", "Iommu", "PagefileEncryption", "SecureBoot"),
    *("SecureBootSettings", "DebugMode", "TcgLogVerification", "VirtualSecureMode"),
)
"""Every substatus of WSD guarded-fabric-troubleshoot-hosts."""


def test_every_published_word_is_explained() -> None:
    assert set(SUBSTATUS) == set(WORDS)
    assert {"NotConfigured", "Expired", "TransientError", "UnauthorizedHost", "TpmError"} < set(STATUS)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (0, "NotConfigured"),
        (1, "Unknown"),
        (100, "Passed"),
        (200, "Expired"),
        (300, "TransientError"),
        (301, "UnauthorizedHost"),
        (302, "TpmError"),
        (303, "InsecureHostConfiguration"),
        (999, "999"),
    ],
)
def test_a_status_is_understood_as_name_and_as_number(status: int, name: str) -> None:
    assert attestation(status, 0).status == attestation(str(status), 0).status == attestation(name, 0).status == name


@pytest.mark.parametrize(
    ("substatus", "names"),
    [
        (None, ()),
        (0, ()),
        ("NoInformation", ()),
        ("SecureBoot", ("SecureBoot",)),
        ("SecureBoot, Iommu", ("SecureBoot", "Iommu")),
        ("SecureBoot Iommu", ("SecureBoot", "Iommu")),
        (["SecureBoot", "Iommu"], ("SecureBoot", "Iommu")),
        (1, ("SecureBoot",)),
        (6, ("DebugMode", "CodeIntegrityPolicy")),
        ("7", ("SecureBoot", "DebugMode", "CodeIntegrityPolicy")),
        # Bits that are not published are shown as the number they are.
        (9, ("SecureBoot", "8")),
        (4096, ("4096",)),
    ],
)
def test_a_substatus_is_understood_as_names_and_as_bits(substatus: object, names: tuple[str, ...]) -> None:
    assert attestation("InsecureHostConfiguration", substatus).substatus == names


def test_a_host_that_passed_needs_no_explanation() -> None:
    assert attestation("Passed", "NoInformation").kinds == ()


def test_a_substatus_explains_more_than_the_status() -> None:
    found = attestation("InsecureHostConfiguration", "SecureBoot, DumpEncryptionKey").kinds
    assert [(name, kind.owner) for name, kind in found] == [
        ("SecureBoot", Owner.FABRIC),
        ("DumpEncryptionKey", Owner.GUARDIAN),
    ]
    assert attestation("UnauthorizedHost", "NoInformation").kinds == (("UnauthorizedHost", STATUS["UnauthorizedHost"]),)


@pytest.mark.parametrize(("status", "substatus"), [("Brand new", None), ("InsecureHostConfiguration", "BrandNew")])
def test_a_word_that_nobody_knows_is_shown_as_it_is(status: str, substatus: str | None) -> None:
    ((name, kind),) = attestation(status, substatus).kinds
    assert name == (substatus or status)
    assert kind is UNKNOWN_STATUS
