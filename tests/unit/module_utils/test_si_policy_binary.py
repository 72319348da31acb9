# SPDX-License-Identifier: GPL-3.0-or-later
"""The binary form of code integrity policies: layout, round trips, refusals, the signed envelope."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, signed_policy
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    FileRule,
    Policy,
    RuleKind,
    Scenario,
    Setting,
    Signer,
    SignerGroup,
)
from hypothesis import example, given
from hypothesis import strategies as st

from .policies import APPLICATIONS, SMALL_POLICY, SMALL_POLICY_BYTES, policies
from .signed_content import CERTIFICATE, signed


def test_hand_written_bytes() -> None:
    assert si_policy_binary.read(SMALL_POLICY_BYTES) == SMALL_POLICY
    assert si_policy_binary.write(SMALL_POLICY) == SMALL_POLICY_BYTES


@given(policies(), st.lists(APPLICATIONS, max_size=2).map(tuple))
def test_what_is_written_is_read(policy: Policy, applications: tuple[object, ...]) -> None:
    policy = replace(policy, applications=applications)  # type: ignore[arg-type]
    written = si_policy_binary.write(policy)
    assert si_policy_binary.read(written) == policy
    assert si_policy_binary.write(si_policy_binary.read(written)) == written


@pytest.mark.parametrize("version", range(1, 9))
def test_every_format_version_holds_what_it_has_sections_for(version: int) -> None:
    policy = Policy(version=1, file_rules=(FileRule(RuleKind.ALLOW, file_name="a"),), signers=(Signer(root=6),))
    written = si_policy_binary.write(policy, version)
    assert int.from_bytes(written[-4:], "little") == version + 1
    assert si_policy_binary.read(written) == policy


@pytest.mark.parametrize(
    ("policy", "version"),
    [
        (Policy(1, file_rules=(FileRule(RuleKind.ALLOW, maximum_version=1),)), 3),
        (Policy(1, signers=(Signer(1, sign_time_after=1),)), 3),
        (Policy(1, file_rules=(FileRule(RuleKind.ALLOW, product_name="p"),)), 4),
        (Policy(1, file_rules=(FileRule(RuleKind.ALLOW, package_version=1),)), 5),
        (SMALL_POLICY, 7),
    ],
)
def test_nothing_is_lost_in_an_older_format_version(policy: Policy, version: int) -> None:
    assert si_policy_binary.read(si_policy_binary.write(policy, version)) == policy
    with pytest.raises(FormatError, match=f"format version {version} or later"):
        si_policy_binary.write(policy, version - 1)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(version=2**64),
        Policy(version=-1),
        Policy(version=1, options=1 << 30),
        Policy(version=1, hvci_options=2**32),
        Policy(version=1, file_rules=(FileRule(RuleKind.ALLOW, file_name="\ud800"),)),
        Policy(version=1, ci_signers=(2**32,)),
        Policy(version=1, settings=(Setting("p", "k", "v", -1),)),
    ],
)
def test_what_does_not_fit_is_refused(policy: Policy) -> None:
    with pytest.raises(FormatError):
        si_policy_binary.write(policy)


def test_newer_format_versions_are_refused() -> None:
    for version in (0, 9, 11, 255):
        with pytest.raises(FormatError, match=f"format version: expected 1 to 8, not {version}"):
            si_policy_binary.read(bytes([version]) + SMALL_POLICY_BYTES[1:])
    with pytest.raises(FormatError):
        si_policy_binary.write(SMALL_POLICY, 9)


def test_every_truncation_and_extension_is_refused_with_its_place() -> None:
    for size in range(len(SMALL_POLICY_BYTES)):
        with pytest.raises(FormatError) as caught:
            si_policy_binary.read(SMALL_POLICY_BYTES[:size])
        assert caught.value.offset is not None
        assert caught.value.offset <= size
    with pytest.raises(FormatError, match="no bytes after"):
        si_policy_binary.read(SMALL_POLICY_BYTES + b"\0")


@pytest.mark.parametrize(
    ("offset", "value", "expected"),
    [
        (36, 0, "highest flag"),
        (40, 2**31, "count that fits"),
        (44, 2**32 - 1, "count that fits"),
        (64, 0x44, "0x40"),
        (84, 3, "0, 1 or 2"),
        (len(SMALL_POLICY_BYTES) - 4, 10, "9, not 10"),
    ],
)
def test_damage_is_named(offset: int, value: int, expected: str) -> None:
    damaged = SMALL_POLICY_BYTES[:offset] + value.to_bytes(4, "little") + SMALL_POLICY_BYTES[offset + 4 :]
    with pytest.raises(FormatError, match=expected) as caught:
        si_policy_binary.read(damaged)
    assert caught.value.offset is not None


def test_references_to_nothing_are_refused() -> None:
    dangling = replace(SMALL_POLICY, ci_signers=(2,))
    with pytest.raises(FormatError, match="an index below 2, not 2"):
        si_policy_binary.read(si_policy_binary.write(dangling))


@given(st.lists(st.tuples(st.integers(0, len(SMALL_POLICY_BYTES) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutations_give_a_policy_or_a_format_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL_POLICY_BYTES)
    for place, value in changes:
        data[place] = value
    try:
        policy = si_policy_binary.read(bytes(data))
    except FormatError:
        return
    si_policy_binary.write(policy)


@given(st.binary(max_size=200))
@example(b"")
@example(b"0")
@example(b"0\x80")
def test_any_bytes_give_a_policy_or_a_format_error(data: bytes) -> None:
    for candidate in (data, b"\x08\0\0\0" + data, b"\x30\x82" + data):
        try:
            si_policy_binary.read(candidate)
        except FormatError:
            continue
        raise AssertionError(candidate)


def test_signed_policies_are_unwrapped() -> None:
    data = signed(SMALL_POLICY_BYTES)
    assert si_policy_binary.read(data) == SMALL_POLICY
    unwrapped = signed_policy.unwrap(data)
    assert unwrapped == signed_policy.PolicyFile(SMALL_POLICY_BYTES, (CERTIFICATE, CERTIFICATE), signed=True)
    assert signed_policy.unwrap(SMALL_POLICY_BYTES) == signed_policy.PolicyFile(SMALL_POLICY_BYTES)


def test_digest_is_the_same_signed_or_not() -> None:
    digest = hashlib.sha256(SMALL_POLICY_BYTES).hexdigest()
    assert si_policy_binary.digest(SMALL_POLICY_BYTES) == digest
    assert si_policy_binary.digest(signed(SMALL_POLICY_BYTES)) == digest


def test_other_signed_content_is_refused() -> None:
    with pytest.raises(FormatError, match=r"1\.3\.6\.1\.4\.1\.311\.79\.1"):
        si_policy_binary.read(signed(SMALL_POLICY_BYTES, "2a864886f70d010701"))


@given(st.integers(0, 120), st.integers(0, 255))
def test_a_damaged_envelope_gives_a_format_error(place: int, value: int) -> None:
    data = bytearray(signed(b"\x08\0\0\0 too short"))
    data[place % len(data)] = value
    with pytest.raises(FormatError):
        si_policy_binary.read(bytes(data))


def test_compiled_order_sorts_rules_and_keeps_what_refers_to_them() -> None:
    rules = (
        FileRule(RuleKind.FILE_ATTRIB, file_name="z"),
        FileRule(RuleKind.ALLOW, hash=b"\2"),
        FileRule(RuleKind.ALLOW, hash=b"\1"),
        FileRule(RuleKind.DENY, file_name="b"),
        FileRule(RuleKind.DENY, file_name="A"),
    )
    policy = Policy(
        version=1,
        file_rules=rules,
        signers=(Signer(root=6, file_attribs=(0,)),),
        scenarios=(Scenario(131, product=SignerGroup(file_rules=(1, 2, 3))),),
        settings=(Setting("b", "", "", 1), Setting("A", "", "", 1)),
    )
    ordered = si_policy_binary.in_compiled_order(policy)
    assert ordered.file_rules == (rules[4], rules[3], rules[2], rules[1], rules[0])
    assert ordered.signers[0].file_attribs == (4,)
    assert ordered.scenarios[0].product.file_rules == (1, 2, 3)
    assert [setting.provider for setting in ordered.settings] == ["A", "b"]
