# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that a user of the lab meets; that PowerShell's binder agrees is tests/unit/powershell's to show."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.binder import BindError, bind
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import UnknownCmdletError
from ansible_collections.guarded.fabric.lab.cmdlets.conversion import ConversionError, convert
from ansible_collections.guarded.fabric.lab.cmdlets.registry import Credential, PSObject, SecureString

HGS = {"HgsServiceName": "hgs", "SigningCertificatePath": "a", "EncryptionCertificatePath": "b"}


def test_parameters_choose_the_set() -> None:
    assert bind("Initialize-HgsServer", {**HGS, "TrustTpm": True}, "2022").parameter_set == "PrimaryServer_HgsDomain"
    joined = bind("Initialize-HgsServer", {"HgsServerIPAddress": "10.0.0.1"}, "2022")
    assert joined.parameter_set == "AdditionalServer"


def test_names_become_canonical() -> None:
    bound = bind("Export-HgsServerState", {"FILEPATH": "a", "pass": SecureString("s"), "EA": "Stop"}, "2022")
    assert dict(bound.values) == {"Path": "a", "Password": SecureString("s"), "ErrorAction": "Stop"}


@pytest.mark.parametrize(
    ("cmdlet", "parameters", "error"),
    [
        ("Get-HgsServer", {"Nope": 1}, "NamedParameterNotFound,Get-HgsServer"),
        (
            "Initialize-HgsServer",
            {**HGS, "HgsServerIPAddress": "10.0.0.1"},
            "AmbiguousParameterSet,Initialize-HgsServer",
        ),
        ("Add-HgsAttestationTpmHost", {"Name": "a"}, "AmbiguousParameterSet,Add-HgsAttestationTpmHost"),
        ("Initialize-HgsServer", {"Http": True}, "MissingMandatoryParameter,Initialize-HgsServer"),
        ("Export-HgsServerState", {"Path": "a", "FilePath": "b"}, "ParameterAlreadyBound,Export-HgsServerState"),
        ("Export-HgsServerState", {"Password": "text"}, "CannotConvertArgumentNoMessage,Export-HgsServerState"),
        ("Initialize-HgsServer", {**HGS, "HttpPort": 65536}, "CannotConvertArgumentNoMessage,Initialize-HgsServer"),
        ("Initialize-HgsServer", {**HGS, "Http": "yes"}, "CannotConvertArgumentNoMessage,Initialize-HgsServer"),
        ("Get-HgsServer", {"WhatIf": True}, "NamedParameterNotFound,Get-HgsServer"),
        (
            "Set-VMFirmware",
            {"VMName": "a", "EnableSecureBoot": "Maybe"},
            "CannotConvertArgumentNoMessage,Set-VMFirmware",
        ),
        ("Initialize-HgsServer", {"Encryption": "a"}, "AmbiguousParameter,Initialize-HgsServer"),
        (
            "Initialize-HgsServer",
            {"HgsServiceName": ""},
            "ParameterArgumentValidationErrorEmptyStringNotAllowed,Initialize-HgsServer",
        ),
        (
            "Add-DnsServerConditionalForwarderZone",
            {"Name": "a", "MasterServers": "10.0.0.1", "ReplicationScope": "Everywhere"},
            "ParameterArgumentValidationError,Add-DnsServerConditionalForwarderZone",
        ),
    ],
)
def test_what_does_not_fit_is_refused(cmdlet: str, parameters: dict[str, object], error: str) -> None:
    with pytest.raises(BindError) as raised:
        bind(cmdlet, parameters, "2022")
    assert raised.value.error_id == error


def test_a_parameter_of_a_later_version_is_refused() -> None:
    policy = {"FilePath": "a", "Level": "Publisher", "MultiplePolicyFormat": True}
    assert bind("New-CIPolicy", policy, "2022").flag("MultiplePolicyFormat")
    with pytest.raises(BindError, match="MultiplePolicyFormat"):
        bind("New-CIPolicy", policy, "2019")


def test_an_unknown_cmdlet_is_not_published() -> None:
    with pytest.raises(UnknownCmdletError):
        bind("Get-Nothing", {}, "2022")


@pytest.mark.parametrize(
    ("value", "kind", "converted"),
    [
        (5, "String", "5"),
        (True, "String", "True"),
        (None, "String", ""),
        ("one", "String[]", ["one"]),
        (["one", 2], "String[]", ["one", "2"]),
        (None, "String[]", None),
        ("7", "Int32", 7),
        (" -7 ", "Int32", -7),
        (2.5, "Int32", 2),
        (3.5, "Int32", 4),
        (True, "Int32", 1),
        (None, "Int32", 0),
        (2**64 - 1, "UInt64", 2**64 - 1),
        (1, "Boolean", True),
        (None, "SwitchParameter", False),
        (b"ab", "Byte[]", b"ab"),
        ([1, 255], "Byte[]", b"\1\xff"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "Guid", uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")),
        ("2026-11-24T19:00:00+00:00", "DateTime", datetime(2026, 11, 24, 19, tzinfo=UTC)),
        ("1.01:30:00", "TimeSpan", timedelta(days=1, hours=1, minutes=30)),
        ("2", "TimeSpan", timedelta(days=2)),
        ({"a": 1}, "Hashtable", {"a": 1}),
        ("<a />", "XmlDocument", "<a />"),
        ("10.0.0.1", "IPAddress[]", ["10.0.0.1"]),
        (None, "Nullable[Int32]", None),
        ("x", "Char", "x"),
    ],
)
def test_conversions(value: object, kind: str, converted: object) -> None:
    assert convert(value, kind, (), frozenset()) == converted


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": 1}, "String"),
        (["a"], "String"),
        (-1, "UInt32"),
        (256, "Byte"),
        ([256], "Byte[]"),
        ("7.5x", "Int32"),
        ([1], "Int32"),
        ("true", "Boolean"),
        (1, "SwitchParameter"),
        ("p", "SecureString"),
        ("u", "PSCredential"),
        ({"a": 1}, "ScriptBlock"),
        ("not a guid", "Guid"),
        (7, "Guid"),
        ("yesterday", "DateTime"),
        (7, "DateTime"),
        ("soon", "TimeSpan"),
        ("<a", "XmlDocument"),
        (7, "XmlDocument"),
        ("xy", "Char"),
        ("text", "Hashtable"),
        ("text", "VirtualMachine"),
        (PSObject("Microsoft.HyperV.PowerShell.VMSnapshot", {}), "VirtualMachine"),
        (PSObject("System.Object", {}), "String"),
    ],
)
def test_what_does_not_convert(value: object, kind: str) -> None:
    with pytest.raises(ConversionError):
        convert(value, kind, (), frozenset({"VirtualMachine"}))


@pytest.mark.parametrize(
    ("kind", "type_name"),
    [
        ("Microsoft.HyperV.PowerShell.VirtualMachine", "VirtualMachine[]"),
        ("Microsoft.HyperV.PowerShell.VMSnapshot", "VirtualMachineBase"),
        ("Microsoft.Management.Infrastructure.CimInstance#root/hgs/MSFT_HgsGuardian", "CimInstance"),
        ("System.Security.Cryptography.X509Certificates.X509Certificate2", "Certificate"),
        ("Anything", "Object"),
        ("System.Xml.XmlDocument", "XmlDocument"),
    ],
)
def test_objects_fit_parameters_of_their_class(kind: str, type_name: str) -> None:
    value = PSObject(kind, {})
    assert convert(value, type_name, (), frozenset({"VirtualMachine"})) in (value, [value])


@pytest.mark.parametrize(("value", "name"), [("on", "On"), ("OF", "Off"), ("On, Off", "On, Off")])
def test_names_of_enums_are_completed(value: str, name: str) -> None:
    assert convert(value, "OnOffState", ("On", "Off"), frozenset()) == name


@pytest.mark.parametrize("value", ["O", "", "Maybe", 1, None])
def test_other_names_of_enums_are_refused(value: object) -> None:
    with pytest.raises(ConversionError):
        convert(value, "OnOffState", ("On", "Off"), frozenset())


def test_secrets_do_not_show() -> None:
    credential = Credential("user", SecureString("s3cr3t"))
    bound = bind("Restart-Computer", {"Credential": credential}, "2022")
    assert "s3cr3t" not in repr(bound)
