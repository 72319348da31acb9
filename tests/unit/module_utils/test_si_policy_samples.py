# SPDX-License-Identifier: GPL-3.0-or-later
"""Published code integrity policies, in `formats/sipolicy` of the directory that GUARDED_FABRIC_SAMPLES names."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, si_policy_xml, signed_policy
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy_comparison import content_equal, differences

SAMPLES = Path(os.environ.get("GUARDED_FABRIC_SAMPLES", "/nonexistent")) / "formats" / "sipolicy"
pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="published policies are not in the repository; GUARDED_FABRIC_SAMPLES is not set"
)
BINARIES = sorted(path for path in SAMPLES.glob("*") if path.suffix in {".p7b", ".cip", ".bin"})
NOT_A_POLICY = "pywdac-2.p7b"
BEYOND_FORMAT_8 = "hc-FullCoverage.Base.xml"
TWINS = [
    ("iot-SIPolicyAudit.p7b", "iot-AuditPolicy.xml", []),
    ("wdactray-audit-base.cip", "wdactray-audit-base.xml", ["version: 10.0.4.2 -> 10.0.4.1"]),
    (
        "wdactray-audit-supp.cip",
        "wdactray-audit-supp.xml",
        ["version: 10.0.0.1 -> 10.0.0.0", "option added: Enabled:UMCI"],
    ),
    (
        "wdactray-allowall.cip",
        "wdactray-allowall.xml",
        [
            "version: 10.0.0.2 -> 10.0.0.1",
            "option removed: Disabled:Runtime FilePath Rule Protection",
            "setting removed: PolicyInfo/Information/Id = 072821",
            "option added: Enabled:Revoked Expired As Unsigned",
            "setting added: PolicyInfo/Information/Id = 2024-04-01",
        ],
    ),
    (
        "wdacme-00ff-4.cip",
        "wdacme-v3.xml",
        [
            "version: 1.0.1.2 -> 1.0.1.1",
            "platform id: 2e07f7e4-194c-4d20-b7c9-6f44a6c5a234 -> 2e07f7e4-194c-4d20-00ff-6f44a6c5a234",
        ],
    ),
]
"""A binary, the XML beside it, and what is known to differ."""


@pytest.mark.parametrize("path", BINARIES, ids=lambda path: path.name)
def test_binaries_are_read_and_written_to_the_last_byte(path: Path) -> None:
    data = path.read_bytes()
    if path.name == NOT_A_POLICY:
        with pytest.raises(FormatError):
            si_policy_binary.read(data)
        return
    policy = si_policy_binary.read(data)
    content = signed_policy.unwrap(data).content
    assert si_policy_binary.write(policy, content[0]) == content
    assert si_policy_binary.in_compiled_order(policy) == policy
    assert si_policy_xml.read(si_policy_xml.write(policy)) == policy


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.xml")), ids=lambda path: path.name)
def test_xml_is_read_and_survives_both_forms(path: Path) -> None:
    if path.name == BEYOND_FORMAT_8:
        with pytest.raises(FormatError, match="formats from 10"):
            si_policy_xml.read(path.read_bytes())
        return
    policy = si_policy_xml.read(path.read_bytes())
    assert si_policy_xml.read(si_policy_xml.write(policy)) == policy
    compiled = si_policy_binary.write(si_policy_binary.in_compiled_order(policy))
    assert content_equal(si_policy_binary.read(compiled), policy)


@pytest.mark.parametrize(("binary", "xml", "expected"), TWINS)
def test_twins(binary: str, xml: str, expected: list[str]) -> None:
    found = differences(
        si_policy_binary.read((SAMPLES / binary).read_bytes()), si_policy_xml.read((SAMPLES / xml).read_bytes())
    )
    assert [str(each) for each in found] == expected


def test_compiling_gives_the_published_bytes() -> None:
    policy = si_policy_xml.read((SAMPLES / "iot-AuditPolicy.xml").read_bytes())
    published = signed_policy.unwrap((SAMPLES / "iot-SIPolicyAudit.p7b").read_bytes()).content
    assert si_policy_binary.write(si_policy_binary.in_compiled_order(policy), published[0]) == published


def test_the_driver_blocklist_takes_a_fraction_of_a_second() -> None:
    data = (SAMPLES / "tk-Recommended_Driver_Blocklist.xml").read_bytes()
    started = time.process_time()
    policy = si_policy_xml.read(data)
    binary = si_policy_binary.write(si_policy_binary.in_compiled_order(policy))
    again = si_policy_binary.read(binary)
    assert time.process_time() - started < 1
    assert len(again.file_rules) == 1846
