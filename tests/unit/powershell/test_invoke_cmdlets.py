# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from ansible_collections.guarded.fabric.tests.powershell.shell import LanguageMode, Shell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROBE = Path(__file__).resolve().parents[2] / "powershell" / "Probe"

Entry = dict[str, Any]


class Invoke(Protocol):
    def __call__(self, *calls: Mapping[str, object], check_mode: bool = False) -> dict[str, Any]: ...


@pytest.fixture
def invoke(shell: Shell, language_mode: LanguageMode) -> Invoke:
    """Run calls, whose ids may be left out, in each language mode."""

    def run(*calls: Mapping[str, object], check_mode: bool = False) -> dict[str, Any]:
        numbered = [{"id": f"c{number}", **call} for number, call in enumerate(calls)]
        answer = shell.invoke(numbered, language_mode=language_mode, modules=[PROBE], check_mode=check_mode)
        assert answer["language_mode"] == language_mode
        return answer

    return run


@pytest.fixture
def first(invoke: Invoke) -> Callable[..., Entry]:
    """Run one call and return its entry."""

    def run(cmdlet: str, parameters: Mapping[str, object] | None = None, **rest: object) -> Entry:
        answer = invoke({"cmdlet": cmdlet, "parameters": parameters or {}, **rest})
        entry: Entry = answer["results"][0]
        return entry

    return run


def utf16(text: str) -> str:
    return "".join(f"{unit:04x}" for unit in memoryview(text.encode("utf-16-le")).cast("H"))


# -- what a parameter gets

HOSTILE = [
    "$(Get-Date)",
    "$env:PATH",
    "'; Remove-Item x; '",
    '"; Remove-Item x; "',
    "`n`$(1)`",
    "line one\r\nline two",
    "*",
    "[a-z]?",
    "@{a=1}",
    "{1}",
    "-Force",
    "C:\\Program Files\\a & b | c > d < e",
    "%TEMP%",
    "\u201cquoted\u201d \u2018so\u2019 \u2013 dash",
    "Grüße 東京 \U0001f512",
    "tab\tand \x07 bell",
    " leading and trailing ",
    "0012",
    "true",
    "$null",
    "2026-11-24T19:00:00Z",
    "/Date(1234)/",
    "</BA></Objs>",
    "id.RawData",
]


def argument(value: object, *select: str) -> Mapping[str, object]:
    return {"cmdlet": "Get-ProbeArgument", "parameters": {"Value": value}, "select": list(select)}


def outputs(answer: Mapping[str, Any]) -> list[list[Any]]:
    assert "failed" not in answer, answer
    return [entry["output"] for entry in answer["results"]]


def test_text_arrives_verbatim(invoke: Invoke) -> None:
    answer = invoke(*(argument(text, "Type", "Hex") for text in HOSTILE))
    assert outputs(answer) == [[{"Type": "System.String", "Hex": [utf16(text)]}] for text in HOSTILE]


def test_text_arrives_verbatim_inside_of_tables_and_lists(invoke: Invoke) -> None:
    tables = [{"cmdlet": "Get-ProbeTable", "parameters": {"Table": {text: [text]}}} for text in HOSTILE]
    assert outputs(invoke(*tables)) == [[utf16(text), utf16(text)] for text in HOSTILE]


def test_a_secret_arrives_verbatim(invoke: Invoke) -> None:
    secrets = [*HOSTILE, ""]
    answer = invoke(
        *(
            {"cmdlet": "Get-ProbeArgument", "parameters": {"Secret": {"$secret": text}}, "select": ["Hex"]}
            for text in secrets
        )
    )
    assert outputs(answer) == [[{"Hex": [utf16(text)]}] for text in secrets]


def test_a_credential_arrives(first: Callable[..., Entry]) -> None:
    credential = {"$credential": {"username": "HGS\\admin", "password": "a'b\"c$d"}}
    output = first("Get-ProbeArgument", {"Credential": credential}, select=["Text"])["output"]
    assert output == [{"Text": ["HGS\\admin", "a'b\"c$d"]}]


VALUES: list[tuple[object, str, list[str]]] = [
    (True, "System.Boolean", ["True"]),
    (False, "System.Boolean", ["False"]),
    (0, "System.Int64", ["0"]),
    (2**40, "System.Int64", [str(2**40)]),
    (1.5, "System.Double", ["1.5"]),
    ("", "System.String", [""]),
    ([], "System.Object[]", []),
    (["one"], "System.Object[]", ["one"]),
    (["one", "two"], "System.Object[]", ["one", "two"]),
    ({}, "System.Collections.Hashtable", ["System.Collections.Hashtable"]),
    ({"a": 1}, "System.Collections.Hashtable", ["System.Collections.Hashtable"]),
    ({"$bytes": "AAH+/w=="}, "System.Byte[]", ["0", "1", "254", "255"]),
    ({"$bytes": ""}, "System.Byte[]", []),
]


def test_values_keep_their_type(invoke: Invoke) -> None:
    answer = invoke(*(argument(value, "Type", "Text") for value, _kind, _text in VALUES))
    assert outputs(answer) == [[{"Type": kind, "Text": text}] for _value, kind, text in VALUES]


def test_null_arrives_as_null(first: Callable[..., Entry]) -> None:
    assert first("Get-ProbeArgument", {"Value": None}, select=["Type"])["output"] == [{"Type": ""}]


@pytest.mark.parametrize("value", [{"$ref": "a", "$secret": "b"}, {"$REF": "a"}, {"$refx": "a"}, {"ref": "a"}])
def test_a_table_that_is_nearly_a_tagged_value_is_a_table(first: Callable[..., Entry], value: object) -> None:
    output = first("Get-ProbeArgument", {"Value": value}, select=["Type"])["output"]
    assert output == [{"Type": "System.Collections.Hashtable"}]


@pytest.mark.parametrize("name", ["Keys", "Count", "Values"])
def test_a_parameter_may_be_called_like_a_property_of_tables(first: Callable[..., Entry], name: str) -> None:
    entry = first("Get-ProbeArgument", {"Value": {name: "x", "other": "y"}}, select=["Count"])
    assert entry["output"] == [{"Count": 1}]
    assert first("Get-ProbeArgument", {name: 1})["error"]["id"].startswith("NamedParameterNotFound,")


def test_a_switch_can_be_off(first: Callable[..., Entry]) -> None:
    output = first("Get-ProbeArgument", {"Switch": False}, select=["Type", "Text"])["output"]
    assert output == [{"Type": "System.Management.Automation.SwitchParameter", "Text": ["False"]}]


def test_references(invoke: Invoke) -> None:
    results = invoke(
        {"id": "one", "cmdlet": "Get-ProbeObject"},
        {"id": "two", "cmdlet": "Get-ProbeObject", "parameters": {"Number": 2}},
        {"id": "none", "cmdlet": "Get-ProbeScalar", "parameters": {"Kind": "nothing"}},
        *(
            {
                "id": path,
                "cmdlet": "Get-ProbeArgument",
                "parameters": {"Value": {"$ref": path}},
                "select": ["Type", "Text"],
            }
            for path in (
                "one.Name",
                "one.RawData",
                "one.Owner.Name",
                "two.1.Name",
                "two.Name",
                "none",
                "one.Guardians.1.Name",
            )
        ),
        {"cmdlet": "Get-ProbeArgument", "parameters": {"List": [{"$ref": "one.Name"}, "b"]}, "select": ["Text"]},
    )["results"]
    assert [entry["output"][0] for entry in results[3:]] == [
        {"Type": "System.String", "Text": ["item 1"]},
        {"Type": "System.Byte[]", "Text": ["0", "1", "254", "255"]},
        {"Type": "System.String", "Text": ["Owner"]},
        {"Type": "System.String", "Text": ["item 2"]},
        {"Type": "System.Object[]", "Text": ["item 1", "item 2"]},
        {"Type": "System.Object[]", "Text": []},
        {"Type": "System.String", "Text": ["two"]},
        {"Text": ["item 1", "b"]},
    ]


def test_a_reference_hands_over_the_object_itself(invoke: Invoke) -> None:
    results = invoke(
        {"id": "one", "cmdlet": "Get-ProbeObject"},
        {
            "cmdlet": "Get-ProbeArgument",
            "parameters": {"Value": {"$ref": "one.Certificate"}},
            "select": ["Type"],
        },
    )["results"]
    assert results[1]["output"] == [{"Type": "System.Security.Cryptography.X509Certificates.X509Certificate2"}]


@pytest.mark.parametrize("reference", ["nobody", "one.Nope", "one.Owner.Nope", "one.9"])
def test_a_reference_to_nothing_is_never_accepted(invoke: Invoke, reference: str) -> None:
    answer = invoke(
        {"id": "one", "cmdlet": "Get-ProbeObject"},
        {"cmdlet": "Get-ProbeArgument", "parameters": {"Value": {"$ref": reference}}, "accept": ["*"]},
        {"cmdlet": "Get-ProbeObject"},
    )
    assert answer["failed"]
    assert len(answer["results"]) == 2
    assert answer["results"][1]["error"]["id"].startswith("InvalidCall")
    assert not answer["results"][1]["accepted"]


def test_a_file_is_there_during_the_batch_and_gone_after_it(invoke: Invoke, temporary: Path) -> None:
    content = os.urandom(300_000)
    files = [{"$file": {"content": base64.b64encode(data).decode(), "suffix": ".pfx"}} for data in (content, b"")]
    results = invoke(
        *(
            {
                "cmdlet": "Get-ProbeFile",
                "parameters": {"Path": file},
                "select": ["FullName", "Hash", "Length"],
                "attach": ["FullName"],
            }
            for file in files
        ),
    )["results"]
    for data, entry in zip((content, b""), results, strict=True):
        (item,) = entry["output"]
        assert item["Hash"].lower() == hashlib.sha256(data).hexdigest()
        assert item["FullName"].endswith(".pfx")
        assert base64.b64decode(entry["attachments"]["FullName"]) == data
        assert not Path(item["FullName"]).exists()
    assert not list(temporary.glob("guarded-fabric-*"))


def test_files_are_gone_after_a_failure(invoke: Invoke, temporary: Path) -> None:
    parameters = {"Path": {"$file": {"content": "AQID"}}, "Nope": 1}
    assert invoke({"cmdlet": "Get-ProbeFile", "parameters": parameters})["failed"]
    assert not list(temporary.glob("guarded-fabric-*"))


@pytest.mark.parametrize(
    "value",
    [
        {"$file": {"content": "AQID", "suffix": "/../x"}},
        {"$file": {"content": "AQID", "suffix": ".a.b"}},
        {"$file": {"content": "</BA><S>x</S><BA>"}},
        {"$bytes": "not base64!"},
    ],
)
def test_bytes_and_suffixes_are_checked(first: Callable[..., Entry], value: object) -> None:
    entry = first("Get-ProbeArgument", {"Value": value}, accept=["*"])
    assert entry["error"]["id"].startswith("InvalidCall")
    assert not entry["accepted"]


def test_a_secret_is_never_in_a_file_nor_in_the_answer(invoke: Invoke, temporary: Path) -> None:
    watch = {
        "cmdlet": "Get-ChildItem",
        "parameters": {"Path": str(temporary), "Recurse": True, "Filter": "*.xml"},
        "attach": ["FullName"],
    }
    answer = invoke(
        {"cmdlet": "Get-ProbeArgument", "parameters": {"Value": {"$bytes": "AQID"}}},
        {"cmdlet": "Get-ProbeArgument", "parameters": {"Value": {"$secret": "s3cr3t!"}}},
        watch,
        {"cmdlet": "Get-ProbeObject", "parameters": {"Number": {"$secret": "s3cr3t!"}}},
    )
    assert "s3cr3t!" not in json.dumps(answer)
    assert answer["results"][3]["error"]["id"].startswith("ParameterArgumentTransformationError")
    (content,) = answer["results"][2]["attachments"].values()
    assert b"<BA>" in base64.b64decode(content)
    assert b"s3cr3t!" not in base64.b64decode(content)


# -- what comes back

SELECTED = {
    "Name": "item 1",
    "Empty": None,
    "Yes": True,
    "Flag": True,
    "Big": 2**64 - 1,
    "Fraction": 0.5,
    "NoNumber": "NaN",
    "Letter": "x",
    "Day": "Monday",
    "Options": "Hidden, System",
    "Local": "2026-11-24T19:00:00.0000000Z",
    "Offset": "2026-11-24T19:00:00.0000000Z",
    "Duration": "01:30:00",
    "Id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "Version": "10.0.20348",
    "Address": "http://hgs.example/Attestation",
    "RawData": {"$bytes": "AAH+/w=="},
    "NoData": {"$bytes": ""},
    "Password": {"$secret": True},
    "Owner.Name": "Owner",
    "Owner.Certificate.Subject": "CN=Probe",
    "Guardians.Name": ["one", "two"],
    "Guardians.1.Name": "two",
    "Single": ["only"],
    "Nothing": [],
    "Nothing.Name": [],
    "Nested": [[1, 2], [3]],
    "Typed": ["a", "b"],
    "Typed.1": "b",
    "Table": {"Keys": "a key named Keys", 'with "quotes"': {"deep": {"deeper": [1]}}},
    "Table.Keys": "a key named Keys",
    "Dictionary": {"a": 1},
    "Xml.OuterXml": '<a b="1"><c /></a>',
}


def test_selected_properties(first: Callable[..., Entry]) -> None:
    (item,) = first("Get-ProbeObject", select=list(SELECTED))["output"]
    assert item == SELECTED


def test_a_certificate_is_what_names_it(first: Callable[..., Entry]) -> None:
    (item,) = first("Get-ProbeObject", select=["Certificate", "Certificate.Thumbprint"])["output"]
    thumbprint = item.pop("Certificate.Thumbprint")
    assert item == {
        "Certificate": {
            "Thumbprint": thumbprint,
            "Subject": "CN=Probe",
            "Issuer": "CN=Probe",
            "NotBefore": "2026-01-01T00:00:00.0000000Z",
            "NotAfter": "2027-01-01T00:00:00.0000000Z",
        }
    }


def test_a_property_that_is_not_there_is_left_out(first: Callable[..., Entry]) -> None:
    output = first("Get-ProbeObject", select=["Nope", "Owner.Nope", "Empty.Nope", "Guardians.7.Name", "name"])["output"]
    assert output == [{"name": "item 1"}]


def test_any_other_object_is_its_text(first: Callable[..., Entry]) -> None:
    (item,) = first("Get-ProbeObject", select=["Process"])["output"]
    assert isinstance(item["Process"], str)


def test_as_many_objects_as_there_are(first: Callable[..., Entry]) -> None:
    output = first("Get-ProbeObject", {"Number": 3}, select=["Index"])["output"]
    assert output == [{"Index": 1}, {"Index": 2}, {"Index": 3}]


SCALARS: list[tuple[str, list[object]]] = [
    ("text", ["text"]),
    ("texts", ["a", "b"]),
    ("nothing", []),
    ("null", []),
    ("bytes", [{"$bytes": "AQID"}]),
    ("stream", [{"$bytes": "AQID"}]),
    ("onebyte", [{"$bytes": "Bw=="}]),
    ("dates", ["2026-01-02T03:04:05.0000000Z"]),
    ("enum", ["Friday"]),
    ("mixed", [1, True, "last"]),
    ("array", []),
    # REUSE-IgnoreStart
    ("content", ["# SPDX-License-Identifier: GPL-3.0-or-later"]),
    # REUSE-IgnoreEnd
    ("host", ["for a program"]),
    ("unicode", ['Grüße 東京 \U0001f512 \u2028 "quoted" back\\slash \t']),
]


def test_without_select_only_values_come_back(invoke: Invoke) -> None:
    answer = invoke(*({"cmdlet": "Get-ProbeScalar", "parameters": {"Kind": kind}} for kind, _output in SCALARS))
    assert outputs(answer) == [output for _kind, output in SCALARS]


def test_attach_needs_a_path(first: Callable[..., Entry]) -> None:
    assert first("Get-ProbeObject", attach=["FullName"])["error"]["id"].startswith("InvalidCall")
    assert first("Get-ProbeObject", attach=["Yes"])["error"]["id"].startswith("InvalidCall")


# -- errors, warnings, order


def test_warnings_are_kept_even_where_an_error_follows(first: Callable[..., Entry]) -> None:
    assert first("Write-ProbeStream", {"Warning": ["one", "two"]})["warnings"] == ["one", "two"]
    entry = first("Write-ProbeStream", {"Warning": ["one"], "ErrorId": "Busy"})
    assert entry["warnings"] == ["one"]
    assert entry["error"]["id"] == "Busy,Write-ProbeStream"


@pytest.mark.parametrize("careless", [True, False])
def test_the_first_error_ends_the_batch(invoke: Invoke, careless: bool) -> None:  # noqa: FBT001 - a parameter of a test
    answer = invoke(
        {"cmdlet": "Get-ProbeScalar", "parameters": {"Kind": "text"}, "changes": True},
        {"cmdlet": "Write-ProbeStream", "parameters": {"ErrorId": "Busy", "Careless": careless}, "changes": True},
        {"cmdlet": "Get-ProbeScalar", "parameters": {"Kind": "text"}},
    )
    assert answer["failed"]
    assert answer["msg"] == "Write-ProbeStream: it went wrong"
    assert answer["changed"]
    assert [entry["id"] for entry in answer["results"]] == ["c0", "c1"]
    assert answer["results"][1] == {
        "id": "c1",
        "error": {
            "id": "Busy,Write-ProbeStream",
            "category": "ResourceBusy",
            "message": "it went wrong",
            "type": "Microsoft.PowerShell.Commands.WriteErrorException",
        },
        "accepted": False,
        "warnings": [],
    }


@pytest.mark.parametrize("accept", ["Busy", "busy", "Busy,Write-ProbeStream", "*"])
def test_an_accepted_error_is_an_answer(invoke: Invoke, accept: str) -> None:
    answer = invoke(
        {
            "id": "a",
            "cmdlet": "Write-ProbeStream",
            "parameters": {"ErrorId": "Busy"},
            "accept": ["Other", accept],
            "changes": True,
        },
        {"cmdlet": "Get-ProbeArgument", "parameters": {"Value": {"$ref": "a"}}, "select": ["Count"]},
    )
    assert "failed" not in answer
    assert answer["results"][0]["accepted"] is True
    assert answer["results"][1]["output"] == [{"Count": 0}]
    assert answer["changed"] is False


@pytest.mark.parametrize("accept", ["Bus", "Busy,Other", "", "Write-ProbeStream", "B*"])
def test_other_errors_are_not_accepted(first: Callable[..., Entry], accept: str) -> None:
    assert first("Write-ProbeStream", {"ErrorId": "Busy"}, accept=[accept])["accepted"] is False


def test_a_thrown_text_is_an_error(first: Callable[..., Entry]) -> None:
    entry = first("Write-ProbeStream", {"Thrown": 'no, that "does" not work'})
    assert entry["error"]["message"] == 'no, that "does" not work'


def test_nothing_asks(first: Callable[..., Entry]) -> None:
    assert first("Write-ProbeStream")["output"] == ["came to its end"]
    assert first("Write-ProbeStream", {"WhatIf": True})["output"] == []


def test_the_exit_code_of_a_program_is_not_the_modules(shell: Shell, language_mode: LanguageMode) -> None:
    calls = [{"id": "a", "cmdlet": "Write-ProbeStream", "parameters": {"Native": True}}]
    run = shell.run({"calls": calls}, language_mode=language_mode, modules=[PROBE])
    assert run.rc == 0


# -- what may run


@pytest.mark.parametrize(
    "name",
    [
        "Get-ProbeAlias",
        "gci",
        "ls",
        "/bin/ls",
        "Get-Item; ls",
        "Probe\\Get-ProbeObject",
        "Get-Probe*",
        "$x",
        "",
        "Invoke-Expression",
        "invoke-expression",
        "Invoke-Command",
        "Start-Process",
        "Add-Type",
        "Start-Job",
        "Resolve-Value",
        "Write-Host ",
        "Get-Item\n",
    ],
)
def test_only_cmdlets_of_modules_can_be_called(shell: Shell, name: str) -> None:
    answer = shell.invoke([{"id": "a", "cmdlet": name}], modules=[PROBE])
    assert answer["failed"]
    assert answer["results"][0]["error"]["id"].split(",")[0] in {"InvalidCall", "CommandNotFoundException"}


def test_the_tests_language_mode_is_real(shell: Shell, language_mode: LanguageMode, tmp_path: Path) -> None:
    script = tmp_path / "script.ps1"
    script.write_text("[Convert]::ToBase64String([byte[]](1, 2, 3))")
    run = shell.run({}, script=script, language_mode=language_mode)
    assert run.stdout == ("AQID" if language_mode == "FullLanguage" else "")


def test_a_program_named_like_a_cmdlet_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pwsh: Path, temporary: Path
) -> None:
    program = tmp_path / "Get-Surprise"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/surprised\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with Shell(pwsh, temporary) as own:
        answer = own.invoke([{"id": "a", "cmdlet": "Get-Surprise", "accept": ["CommandNotFoundException"]}])
    assert answer["results"][0]["accepted"] is True
    assert not (tmp_path / "surprised").exists()


def test_a_missing_cmdlet_can_be_an_answer(first: Callable[..., Entry]) -> None:
    entry = first("Get-Nothing", accept=["CommandNotFoundException"])
    assert entry["accepted"] is True
    assert entry["error"]["category"] == "ObjectNotFound"


def test_check_mode_refuses_a_batch_that_changes(invoke: Invoke) -> None:
    answer = invoke({"cmdlet": "Get-ProbeObject"}, {"cmdlet": "Write-ProbeStream", "changes": True}, check_mode=True)
    assert answer["failed"]
    assert answer["msg"] == "check mode: refused to run Write-ProbeStream"
    assert answer["results"] == []
    assert answer["changed"] is False


def test_check_mode_reads(invoke: Invoke) -> None:
    answer = invoke({"cmdlet": "Get-ProbeScalar", "parameters": {"Kind": "text"}}, check_mode=True)
    assert answer["results"][0]["output"] == ["text"]


def test_a_change_is_reported(invoke: Invoke) -> None:
    assert invoke({"cmdlet": "Get-ProbeObject"})["changed"] is False
    assert invoke({"cmdlet": "Get-ProbeObject", "changes": True})["changed"] is True


def test_an_empty_batch_is_fine(invoke: Invoke) -> None:
    answer = invoke()
    assert answer["results"] == []
    assert "failed" not in answer
