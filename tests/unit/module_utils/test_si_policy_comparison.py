# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing code integrity policies by what they say."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    RULE_OPTIONS,
    FileRule,
    Policy,
    RuleKind,
    RuleOption,
    Setting,
    Signer,
    SignerGroup,
    SignerReference,
    find_option,
    has_option,
    option_names,
    version_text,
    with_option,
    without_option,
)
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy_binary import in_compiled_order
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy_comparison import (
    Difference,
    content_equal,
    differences,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .policies import SMALL_POLICY, policies

if TYPE_CHECKING:
    import random


@settings(max_examples=50)
@given(policies(), st.randoms(use_true_random=False))
def test_order_and_names_do_not_count(policy: Policy, shuffler: random.Random) -> None:
    shuffled = list(policy.file_rules)
    order = list(range(len(shuffled)))
    shuffler.shuffle(order)
    new = {old: place for place, old in enumerate(order)}

    def group(old: SignerGroup) -> SignerGroup:
        def references(items: tuple[SignerReference, ...]) -> tuple[SignerReference, ...]:
            return tuple(replace(item, exceptions=tuple(new[index] for index in item.exceptions)) for item in items)

        return SignerGroup(
            references(old.allowed), references(old.denied), tuple(new[index] for index in old.file_rules)
        )

    other = replace(
        policy,
        file_rules=tuple(replace(policy.file_rules[old], id=f"rule {old}", friendly_name="x") for old in order),
        signers=tuple(
            replace(signer, name="x", file_attribs=tuple(new[index] for index in signer.file_attribs))
            for signer in policy.signers
        ),
        scenarios=tuple(
            replace(
                each,
                product=group(each.product),
                test=group(each.test),
                test_signing=group(each.test_signing),
                name="x",
            )
            for each in policy.scenarios
        ),
        settings=tuple(reversed(policy.settings)),
    )
    assert differences(policy, other) == []
    assert content_equal(policy, in_compiled_order(policy))


@settings(max_examples=50)
@given(policies(), policies())
def test_comparing_is_symmetric(before: Policy, after: Policy) -> None:
    forth = {(each.what, each.before, each.after) for each in differences(before, after)}
    back = {(each.what, each.after, each.before) for each in differences(after, before)}
    assert forth == back


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (replace(SMALL_POLICY, version=1), "version: 10.0.1.2 -> 0.0.0.1"),
        (without_option(SMALL_POLICY, 3), "option removed: Enabled:Audit Mode"),
        (with_option(SMALL_POLICY, 16), "option added: Enabled:Update Policy No Reboot"),
        (replace(SMALL_POLICY, hvci_options=2), "HVCI options: 1 -> 2"),
        (replace(SMALL_POLICY, supplemental=True), "policy type: Base Policy -> Supplemental Policy"),
        (replace(SMALL_POLICY, ci_signers=(1,)), "CI signer added: TBS aabbcc"),
        (
            replace(SMALL_POLICY, settings=(Setting("PolicyInfo", "Information", "Name", value=True),)),
            "setting added: PolicyInfo/Information/Name = True",
        ),
        (
            replace(SMALL_POLICY, file_rules=(*SMALL_POLICY.file_rules, FileRule(RuleKind.ALLOW, hash=b"\1"))),
            "file rule added: allow hash 01",
        ),
        (
            replace(SMALL_POLICY, scenarios=(replace(SMALL_POLICY.scenarios[0], product=SignerGroup()),)),
            (
                "kernel mode allowed signer removed: well-known root 6, EKU 010a2b0601040182370a0306, publisher P"
                " except deny file name a.sys file path %OSDRIVE%\\a"
            ),
        ),
    ],
)
def test_a_difference_reads_well(changed: Policy, text: str) -> None:
    assert text in [str(each) for each in differences(SMALL_POLICY, changed)]


def test_a_changed_rule_shows_wherever_it_is_used() -> None:
    changed = replace(SMALL_POLICY, file_rules=(replace(SMALL_POLICY.file_rules[0], file_name="b.sys"),))
    assert {each.what for each in differences(SMALL_POLICY, changed)} == {
        "file rule",
        "kernel mode allowed signer",
        "kernel mode file rule",
    }


def test_true_is_not_one() -> None:
    numbers = Policy(version=1, settings=(Setting("p", "k", "v", 1),))
    flags = Policy(version=1, settings=(Setting("p", "k", "v", value=True),))
    assert len(differences(numbers, flags)) == 2


def test_how_often_something_stands_counts() -> None:
    rule = FileRule(RuleKind.ALLOW, file_name="a")
    once, twice = Policy(version=1, file_rules=(rule,)), Policy(version=1, file_rules=(rule, rule))
    assert differences(once, twice) == [Difference("file rule", None, "allow file name a")]


def test_versions_without_effect_do_not_count() -> None:
    rules = (
        FileRule(RuleKind.DENY, hash=b"\1", minimum_version=5, maximum_version=9),
        FileRule(RuleKind.ALLOW, file_name="a", maximum_version=2**64 - 1),
        FileRule(RuleKind.DENY, file_name="a", minimum_version=2**64 - 1),
    )
    plain = tuple(replace(rule, minimum_version=0, maximum_version=0) for rule in rules)
    assert content_equal(Policy(version=1, file_rules=rules), Policy(version=1, file_rules=plain))


def test_many_references_to_many_rules_stay_cheap() -> None:
    rules = tuple(FileRule(RuleKind.FILE_ATTRIB, file_name=f"{number:04}" * 20) for number in range(1000))
    signers = tuple(Signer(root=bytes([number]), file_attribs=tuple(range(1000))) for number in range(100))
    started = time.process_time()
    found = differences(Policy(version=1, file_rules=rules, signers=signers), Policy(version=1, file_rules=rules))
    assert len(found) == 100
    assert max(len(str(each)) for each in found) < 1000
    assert time.process_time() - started < 2


@pytest.mark.parametrize("option", RULE_OPTIONS)
def test_options_are_set_and_cleared_by_name_and_number(option: RuleOption) -> None:
    for key in (option.name, option.name.upper(), option.number):
        if key is not None:
            assert find_option(key) == option
            policy = with_option(Policy(version=1), key)
            assert has_option(policy, key)
            assert with_option(policy, key) == policy
            assert without_option(policy, key) == Policy(version=1)


def test_unknown_options() -> None:
    assert option_names(Policy(version=1, options=0x200)) == ("Unknown:0x200",)
    for key in ("Enabled:Nonsense", 7, 21):
        with pytest.raises(KeyError):
            find_option(key)


def test_versions_read_as_four_numbers() -> None:
    assert version_text(0x000A_0000_6C7A_0001) == "10.0.27770.1"
