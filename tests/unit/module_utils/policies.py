# SPDX-License-Identifier: GPL-3.0-or-later
"""Code integrity policies for tests: any that the binary form can hold, and one whose bytes are written out by hand."""

from __future__ import annotations

import struct
from uuid import UUID

from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    RULE_OPTIONS,
    ApplicationSetting,
    ApplicationSettings,
    FileRule,
    Policy,
    RuleKind,
    Scenario,
    Setting,
    Signer,
    SignerGroup,
    SignerReference,
)
from hypothesis import strategies as st

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="￾￿"), max_size=8)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
OPTION_BITS = st.sets(st.sampled_from([option.bit for option in RULE_OPTIONS])).map(sum)
FILE_RULES = st.builds(
    FileRule,
    kind=st.sampled_from(RuleKind),
    file_name=TEXTS,
    internal_name=TEXTS,
    file_description=TEXTS,
    product_name=TEXTS,
    package_family_name=TEXTS,
    package_version=U64,
    file_path=TEXTS,
    hash=st.binary(max_size=5),
    minimum_version=st.sampled_from([0, 1 << 48, 2**64 - 1]) | U64,
    maximum_version=st.sampled_from([0, 1 << 48, 2**64 - 1]) | U64,
    app_ids=st.lists(TEXTS, max_size=2).map(tuple),
)
SETTINGS = st.builds(
    Setting, TEXTS, TEXTS, TEXTS, st.booleans() | st.integers(0, 2**32 - 1) | st.binary(max_size=5) | TEXTS
)
APPLICATIONS = st.builds(
    ApplicationSettings,
    TEXTS,
    st.lists(
        st.builds(ApplicationSetting, TEXTS, st.booleans() | TEXTS | st.lists(TEXTS, max_size=2).map(tuple), U32),
        max_size=2,
    ).map(tuple),
)


def _indexes(count: int) -> st.SearchStrategy[tuple[int, ...]]:
    if not count:
        return st.just(())
    return st.lists(st.integers(0, count - 1), max_size=3).map(tuple)


def _references(signers: int, rules: int) -> st.SearchStrategy[tuple[SignerReference, ...]]:
    if not signers:
        return st.just(())
    reference = st.builds(SignerReference, st.integers(0, signers - 1), _indexes(rules))
    return st.lists(reference, max_size=2).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw any policy of format version 8, application settings excepted."""
    ekus, scenario_count = draw(st.lists(st.binary(max_size=5), max_size=2)), draw(st.integers(0, 2))
    rules = draw(st.lists(FILE_RULES, max_size=3))
    signer = st.builds(
        Signer,
        root=st.binary(max_size=6) | st.integers(0, 255),
        ekus=_indexes(len(ekus)),
        issuer=TEXTS,
        publisher=TEXTS,
        oem_id=TEXTS,
        file_attribs=_indexes(len(rules)),
        # The year 9999 is as far as the XML form goes.
        sign_time_after=st.integers(0, 2_650_467_743_999_999_999),
    )
    signers = draw(st.lists(signer, max_size=3))
    group = st.builds(
        SignerGroup,
        _references(len(signers), len(rules)),
        _references(len(signers), len(rules)),
        _indexes(len(rules)),
    )
    scenario = st.builds(
        Scenario, value=U32, minimum_hash=U32.filter(bool), product=group, test=group, test_signing=group
    )
    return Policy(
        version=draw(U64),
        type_id=draw(st.uuids()),
        platform_id=draw(st.uuids()),
        policy_id=draw(st.uuids()),
        base_policy_id=draw(st.uuids()),
        options=draw(OPTION_BITS),
        supplemental=draw(st.booleans()),
        ekus=tuple(ekus),
        file_rules=tuple(rules),
        signers=tuple(signers),
        update_policy_signers=draw(_indexes(len(signers))),
        ci_signers=draw(_indexes(len(signers))),
        supplemental_policy_signers=draw(_indexes(len(signers))),
        scenarios=tuple(draw(st.lists(scenario, min_size=scenario_count, max_size=scenario_count))),
        hvci_options=draw(U32),
        settings=tuple(draw(st.lists(SETTINGS, max_size=3))),
    )


def _text(value: str) -> bytes:
    encoded = value.encode("utf-16-le")
    return struct.pack("<I", len(encoded)) + encoded + bytes(-len(encoded) % 4) + bytes(4)


SMALL_POLICY = Policy(
    version=0x000A_0000_0001_0002,
    policy_id=UUID("11111111-2222-3333-4444-555555555555"),
    base_policy_id=UUID("a244370e-44c9-4c06-b551-f6016e563076"),
    options=0x0009_0004,
    ekus=(bytes.fromhex("010a2b0601040182370a0306"),),
    file_rules=(FileRule(RuleKind.DENY, file_name="a.sys", minimum_version=2**64 - 1, file_path="%OSDRIVE%\\a"),),
    signers=(Signer(root=6, ekus=(0,), publisher="P"), Signer(root=b"\xaa\xbb\xcc")),
    update_policy_signers=(1,),
    scenarios=(Scenario(131, product=SignerGroup(allowed=(SignerReference(0, (0,)),), file_rules=(0,))),),
    hvci_options=1,
    settings=(Setting("PolicyInfo", "Information", "Name", "T"),),
)
"""Audit mode, UMCI, unsigned; one Deny rule by name and path; a well-known root with an EKU, and a TBS hash."""

SMALL_POLICY_BYTES = b"".join(
    (
        struct.pack("<I", 8),
        bytes.fromhex("0e3744a2c944064cb551f6016e563076"),
        bytes.fromhex("e4f7072e4c19204db7c96f44a6c5a234"),
        struct.pack("<IIIIIQI", 0x8009_0004, 1, 1, 2, 1, 0x000A_0000_0001_0002, 0x40),
        # EKU: 12 bytes need no padding
        struct.pack("<I", 12) + bytes.fromhex("010a2b0601040182370a0306"),
        # file rule 0: Deny, name, minimum version, no hash
        struct.pack("<I", 0) + _text("a.sys") + struct.pack("<QI", 2**64 - 1, 0),
        # signer 0: well-known root 6, EKU 0, no issuer, publisher, no OEM, no file attributes
        struct.pack("<IIII", 1, 6, 1, 0) + _text("") + _text("P") + _text("") + struct.pack("<I", 0),
        # signer 1: TBS hash of 3 bytes, padded; nothing else
        struct.pack("<II", 0, 3) + b"\xaa\xbb\xcc\0" + struct.pack("<I", 0) + _text("") * 3 + struct.pack("<I", 0),
        # update policy signers: 1; no CI signers
        struct.pack("<III", 1, 1, 0),
        # scenario 131, inherits none, SHA-256
        struct.pack("<III", 131, 0, 0x800C),
        # product: allowed signer 0 except rule 0; none denied; file rule 0. Test and test-signing: nothing
        struct.pack("<IIII", 1, 0, 1, 0) + struct.pack("<I", 0) + struct.pack("<II", 1, 0) + bytes(4) * 6,
        # HVCI options; one setting of type string
        struct.pack("<II", 1, 1) + _text("PolicyInfo") + _text("Information") + _text("Name"),
        struct.pack("<I", 3) + _text("T"),
        # 3: maximum version and AppIDs of the rule, SignTimeAfter of the signers
        struct.pack("<IQIQQ", 3, 0, 0, 0, 0),
        # 4: InternalName, FileDescription, ProductName
        struct.pack("<I", 4) + _text("") * 3,
        # 5: PackageFamilyName and version
        struct.pack("<I", 5) + _text("") + bytes(8),
        # 6: policy id, base policy id, no supplemental policy signers
        struct.pack("<I", 6) + bytes.fromhex("11111111222233334444555555555555"),
        bytes.fromhex("0e3744a2c944064cb551f6016e563076") + struct.pack("<I", 0),
        # 7: FilePath
        struct.pack("<I", 7) + _text("%OSDRIVE%\\a"),
        # 8: no application settings; end
        struct.pack("<III", 8, 0, 9),
    )
)
"""The same, from the layout that mattifestation/WDACTools CIPolicyParser.psm1 reads."""
