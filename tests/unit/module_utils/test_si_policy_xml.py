# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML form of code integrity policies: what is read, what is refused, and that writing loses nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, si_policy_xml
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    CERTIFICATE_REMAPPING,
    ENTERPRISE_POLICY,
    HIGHEST_VERSION,
    TAGGING_DEFAULT,
    ApplicationSettings,
    FileRule,
    Policy,
    RuleKind,
    Setting,
    Signer,
    option_names,
    with_option,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .policies import SMALL_POLICY, policies

if TYPE_CHECKING:
    from uuid import UUID

SMALL_XML = """<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" PolicyType="Base Policy">
  <VersionEx>10.0.1.2</VersionEx>
  <PlatformID>{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}</PlatformID>
  <PolicyID>{11111111-2222-3333-4444-555555555555}</PolicyID>
  <BasePolicyID>{A244370E-44C9-4C06-B551-F6016E563076}</BasePolicyID>
  <!-- a comment -->
  <Rules>
    <Rule><Option>Enabled:UMCI</Option></Rule>
    <Rule><Option>Enabled:Audit<!-- another --> Mode</Option></Rule>
    <Rule><Option>Enabled:Unsigned System Integrity Policy</Option></Rule>
  </Rules>
  <EKUs><EKU ID="ID_EKU_X" FriendlyName="x" Value="010A2B0601040182370A0306" /></EKUs>
  <FileRules>
    <Deny ID="ID_DENY_X" FriendlyName="why" FileName="a.sys" FilePath="%OSDRIVE%\\a" />
  </FileRules>
  <Signers>
    <Signer ID="ID_SIGNER_X" Name="x">
      <CertRoot Type="Wellknown" Value="06" /><CertEKU ID="ID_EKU_X" /><CertPublisher Value="P" />
    </Signer>
    <Signer ID="ID_SIGNER_Y" Name="y"><CertRoot Type="TBS" Value="AABBCC" /></Signer>
  </Signers>
  <SigningScenarios>
    <SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_X" FriendlyName="kernel">
      <ProductSigners>
        <AllowedSigners>
          <AllowedSigner SignerId="ID_SIGNER_X"><ExceptDenyRule DenyRuleID="ID_DENY_X" /></AllowedSigner>
        </AllowedSigners>
        <FileRulesRef><FileRuleRef RuleID="ID_DENY_X" /></FileRulesRef>
      </ProductSigners>
    </SigningScenario>
  </SigningScenarios>
  <UpdatePolicySigners><UpdatePolicySigner SignerId="ID_SIGNER_Y" /></UpdatePolicySigners>
  <CiSigners />
  <HvciOptions>1</HvciOptions>
  <Settings>
    <Setting Provider="PolicyInfo" Key="Information" ValueName="Name"><Value><String>T</String></Value></Setting>
  </Settings>
</SiPolicy>
"""
EMPTY = '<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy"{}>{}</SiPolicy>'
IDENTITY = "<PolicyTypeID>{A244370E-44C9-4C06-B551-F6016E563076}</PolicyTypeID>"


def document(body: str, attributes: str = "") -> bytes:
    return EMPTY.format(attributes, IDENTITY + body).encode()


def test_the_same_policy_as_in_the_binary_vector() -> None:
    policy = si_policy_xml.read(SMALL_XML.encode())
    assert policy == SMALL_POLICY
    assert (policy.file_rules[0].id, policy.file_rules[0].friendly_name) == ("ID_DENY_X", "why")


@settings(max_examples=50)
@given(policies())
def test_what_is_written_is_read(policy: Policy) -> None:
    again = si_policy_xml.read(si_policy_xml.write(policy))
    # The one option without a bit stands among the rules, so that its setting moves to the end.
    moved = [setting for setting in policy.settings if setting not in {CERTIFICATE_REMAPPING, TAGGING_DEFAULT}]
    kept = [setting for setting in again.settings if setting not in {CERTIFICATE_REMAPPING, TAGGING_DEFAULT}]
    assert moved == kept
    assert set(policy.settings) == set(again.settings)
    assert replace(again, settings=()) == replace(policy, settings=())


def test_ids_and_names_survive() -> None:
    written = si_policy_xml.write(si_policy_xml.read(SMALL_XML.encode())).decode()
    for text in ("ID_DENY_X", "ID_SIGNER_Y", "ID_SIGNINGSCENARIO_X", 'FriendlyName="why"', 'Name="x"'):
        assert text in written


def test_ids_given_twice_or_not_at_all_become_unique() -> None:
    rule = FileRule(RuleKind.ALLOW, file_name="a")
    rules = (replace(rule, id="ID_ALLOW_A_2"), rule, replace(rule, id="ID_ALLOW_A_2"), rule)
    policy = Policy(version=1, file_rules=rules)
    again = si_policy_xml.read(si_policy_xml.write(policy))
    assert again == policy
    assert len({each.id for each in again.file_rules}) == 4


def test_single_policy_format_has_one_id() -> None:
    policy = si_policy_xml.read(document("<VersionEx>1</VersionEx>"))
    assert policy.policy_id == policy.base_policy_id == policy.type_id == ENTERPRISE_POLICY
    assert policy.version == 1 << 48
    assert b"<PolicyID>" not in si_policy_xml.write(policy)


def test_deny_rules_without_versions_match_every_version() -> None:
    body = '<FileRules><Deny ID="a" FileName="f"/><Deny ID="b" FileName="f" MaximumFileVersion="1.2"/></FileRules>'
    first, second = si_policy_xml.read(document(body)).file_rules
    assert (first.minimum_version, first.maximum_version) == (HIGHEST_VERSION, 0)
    assert (second.minimum_version, second.maximum_version) == (0, 0x0001_0002_0000_0000)


def test_generic_file_rules_are_allow_deny_or_attributes() -> None:
    body = "".join(
        f'<FileRule ID="{kind}" Type="{kind}" FileName="f" MinimumFileVersion="0.0.0.7"/>'
        for kind in ("Match", "Exclude", "Attribute")
    )
    rules = si_policy_xml.read(document(f"<FileRules>{body}</FileRules>")).file_rules
    assert [rule.kind for rule in rules] == [RuleKind.ALLOW, RuleKind.DENY, RuleKind.FILE_ATTRIB]
    assert {rule.minimum_version for rule in rules} == {7}


def test_macros_are_replaced_by_their_values() -> None:
    body = (
        '<FileRules><Allow ID="a" AppIDs="$(One)$(Two)"/><Allow ID="b" AppIDs="literal"/></FileRules>'
        '<Macros><Macro Id="One" Value="1"/><Macro Id="Two" Value="2"/></Macros>'
    )
    policy = si_policy_xml.read(document(body))
    assert [rule.app_ids for rule in policy.file_rules] == [("1", "2"), ("literal",)]
    assert si_policy_xml.read(si_policy_xml.write(policy)) == policy


def test_sign_time_is_a_filetime() -> None:
    body = '<Signers><Signer ID="a" SignTimeAfter="{}"><CertRoot Type="TBS" Value="00"/></Signer></Signers>'
    # 2024-01-02T03:04:05Z is 11644473600 seconds after 1601 more than its Unix time 1704164645.
    expected = (1704164645 + 11644473600) * 10_000_000
    for text, ticks in {
        "2024-01-02T03:04:05.0000000Z": expected,
        "2024-01-02T03:04:05.0000001Z": expected + 1,
        "2024-01-02T05:04:05+02:00": expected,
        "2024-01-02T03:04:05": expected,
    }.items():
        assert si_policy_xml.read(document(body.format(text))).signers[0].sign_time_after == ticks
    for text in ("yesterday", "1600-12-31T23:59:59Z", "2024-13-01T00:00:00Z", "2024-01-02"):
        with pytest.raises(FormatError, match="SignTimeAfter"):
            si_policy_xml.read(document(body.format(text)))


def test_certificate_remapping_is_a_setting() -> None:
    option = "Disabled:Default Windows Certificate Remapping"
    policy = si_policy_xml.read(document(f"<Rules><Rule><Option>{option}</Option></Rule></Rules>"))
    assert policy.settings == (CERTIFICATE_REMAPPING,)
    assert option_names(policy) == (option,)
    assert option.encode() in si_policy_xml.write(policy)
    assert with_option(Policy(version=0), option).settings == policy.settings


def test_a_tagging_policy_gets_what_compiling_adds() -> None:
    body = (
        '<Signers><Signer ID="s"><CertRoot Type="TBS" Value="00"/></Signer></Signers>'
        '<SigningScenarios><SigningScenario ID="a" Value="12">'
        '<AppIDTags EnforceDLL="true"><AppIDTag Key="k" Value="v"/></AppIDTags></SigningScenario></SigningScenarios>'
    )
    policy = si_policy_xml.read(document(body, ' PolicyType="AppID Tagging Policy"'))
    assert policy.kind == "AppID Tagging Policy"
    assert set(policy.settings) == {
        TAGGING_DEFAULT,
        Setting("WDACAppId", "TaggingSettings", "EnforceDLL", value=True),
        Setting("WDACAppId", "Tagging", "k", "v"),
    }
    assert policy.ci_signers == (0,)
    assert len(option_names(policy)) == 5
    written = si_policy_xml.write(policy)
    assert b'PolicyType="AppID Tagging Policy"' in written
    assert si_policy_xml.read(written).settings == policy.settings
    # One that was compiled in another way must not gain options when it is written as XML.
    odd = replace(policy, options=0)
    assert replace(si_policy_xml.read(si_policy_xml.write(odd)), settings=()) == replace(odd, settings=())


def test_supplemental_policies() -> None:
    policy = si_policy_xml.read(document("", ' PolicyType="Supplemental Policy"'))
    assert policy.supplemental
    assert si_policy_binary.read(si_policy_binary.write(policy)).kind == "Supplemental Policy"


REFUSED: dict[str, str | bytes] = {
    "a SiPolicy element": "<SiPolicy/>",
    "a PolicyID or a PolicyTypeID": EMPTY.format("", ""),
    "a known PolicyType": EMPTY.format(' PolicyType="x"', IDENTITY),
    "a known rule option": document("<Rules><Rule><Option>Enabled:Nonsense</Option></Rule></Rules>"),
    "an Option": document("<Rules><Rule/></Rules>"),
    "formats from 10": document("<ArtifactRules/>"),
    "manifest": document("<AppSettings/>"),
    "no attribute 'RequireHotpatchID'": document('<FileRules><Allow ID="a" RequireHotpatchID="b"/></FileRules>'),
    "no attribute 'Condition'": document(
        '<EKUs><EKU ID="e" Value=""/></EKUs>'
        '<Signers><Signer ID="a"><CertEKU ID="e" Condition="Except"/></Signer></Signers>'
    ),
    "a Type that is one of": document('<FileRules><FileRule ID="a" Type="Sometimes"/></FileRules>'),
    "an ID of its own": document('<FileRules><Allow ID="a"/><Deny ID="a"/></FileRules>'),
    "an attribute 'ID'": document("<FileRules><Allow/></FileRules>"),
    "an ID that exists": document('<CiSigners><CiSigner SignerId="a"/></CiSigners>'),
    "hexadecimal": document('<FileRules><Allow ID="a" Hash="0"/></FileRules>'),
    "a number from 0 to 65535": document("<VersionEx>1.65536</VersionEx>"),
    "up to four numbers": document("<VersionEx>1.2.3.4.5</VersionEx>"),
    "a number from 0 to 4294967295": document("<HvciOptions>-1</HvciOptions>"),
    "a GUID": document("<PolicyID>x</PolicyID>"),
    "it once": document("<Settings/><Settings/>"),
    "AppIDs that name": document('<FileRules><Allow ID="a" AppIDs="$(One)x"/></FileRules>'),
    "a CertRoot": document('<Signers><Signer ID="a"/></Signers>'),
    "Wellknown with one byte": document(
        '<Signers><Signer ID="a"><CertRoot Type="Wellknown" Value="0102"/></Signer></Signers>'
    ),
    "one value": document('<Settings><Setting Provider="" Key="" ValueName=""/></Settings>'),
    "true or false": document(
        '<Settings><Setting Provider="" Key="" ValueName=""><Value><Boolean>x</Boolean></Value></Setting></Settings>'
    ),
    "text only": document("<VersionEx>1<b/></VersionEx>"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused_with_the_reason(reason: str) -> None:
    text = REFUSED[reason]
    with pytest.raises(FormatError, match=re.escape(reason)):
        si_policy_xml.read(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(version=1, applications=(ApplicationSettings("manifest"),)),
        Policy(version=1, options=0x200),
        Policy(version=1, file_rules=(FileRule(RuleKind.ALLOW, file_name="\0"),)),
        Policy(version=1, settings=(Setting("p", "k", "v", "\ud800"),)),
        Policy(version=1, signers=(Signer(root=256),)),
        Policy(version=1, signers=(Signer(root=1, sign_time_after=2**63),)),
    ],
)
def test_what_xml_cannot_hold_is_refused(policy: Policy) -> None:
    with pytest.raises(FormatError):
        si_policy_xml.write(policy)


def test_huge_numbers_are_refused_quickly() -> None:
    with pytest.raises(FormatError, match="a number from 0"):
        si_policy_xml.read(document(f"<HvciOptions>{'9' * 100_000}</HvciOptions>"))


@given(st.integers(0, len(SMALL_XML) - 1), st.integers(0, 6), st.text(max_size=4))
def test_mutations_give_a_policy_or_a_format_error(place: int, removed: int, added: str) -> None:
    text = SMALL_XML[:place] + added + SMALL_XML[place + removed :]
    try:
        policy = si_policy_xml.read(text.encode("utf-8", "surrogatepass"))
    except FormatError:
        return
    assert policy == si_policy_xml.read(si_policy_xml.write(policy))


@given(st.uuids())
def test_guids_are_written_as_windows_does(identifier: UUID) -> None:
    written = si_policy_xml.write(Policy(version=1, policy_id=identifier)).decode()
    assert f"<PolicyID>{{{str(identifier).upper()}}}</PolicyID>" in written
