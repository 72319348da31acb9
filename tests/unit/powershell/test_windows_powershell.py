# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows PowerShell 5.1 runs on Windows only; what the module file is made of can be judged anywhere."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

from ansible_collections.guarded.fabric.lab.cmdlets.contracts import UnknownCmdletError, contract
from ansible_collections.guarded.fabric.tests.powershell.shell import INVOKE_CMDLETS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COMMON: Final = {"ErrorAction", "ErrorVariable", "WarningAction"}

# about_Language_Modes, "Allowed types": those in use here.
CORE_TYPES: Final = {"byte[]", "guid", "int", "ordered", "pscredential", "string", "string[]", "version"}

# Methods of core types and of tables; all others are refused in Constrained Language Mode.
METHODS: Final = {
    "AppendChar",  # securestring
    "ContainsKey",  # hashtable
    "new",  # pscredential
    "NewGuid",  # guid
    "ToCharArray",  # string
    "ToString",  # datetime
    "ToUniversalTime",  # datetime
}

# Parts of the language that Windows PowerShell has not, or that Constrained Language Mode refuses.
NODES: Final = {
    "ConfigurationDefinitionAst",
    "PipelineChainAst",
    "TernaryExpressionAst",
    "TypeDefinitionAst",
    "UsingStatementAst",
}
OPERATORS: Final = {"QuestionQuestion", "QuestionQuestionEquals"}


def described(pwsh: Path, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what each file is made of."""
    command: list[str | Path] = [
        pwsh,
        "-NoProfile",
        "-NonInteractive",
        "-File",
        ROOT / "tests" / "powershell" / "syntax.ps1",
        *paths,
    ]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def complaints(script: dict[str, Any]) -> Iterator[str]:
    """Say what of a script Windows PowerShell 5.1 or Constrained Language Mode lacks."""
    yield from script["problems"]
    if script["requires"] != "5.1":
        yield "it does not say that it needs 5.1"
    yield from (f"syntax {name}" for name in NODES & set(script["nodes"]))
    yield from (f"operator {name}" for name in OPERATORS & set(script["operators"]))
    yield from (f"null-conditional {text}" for text in script["optional"])
    yield from (
        f"type {item['name']}" for item in script["types"] if not item["asks"] and item["name"] not in CORE_TYPES
    )
    yield from (f"method {item['name']}" for item in script["methods"] if item["name"] not in METHODS)
    yield from (f"sets {text}" for text in script["assigned"] if text.split(".")[0] not in {"$batch", "$Warnings"})
    for command in script["commands"]:
        if command["name"] and command["name"] not in script["functions"]:
            yield from command_complaints(command["name"], command["parameters"])


def command_complaints(name: str, parameters: list[str]) -> Iterator[str]:
    try:
        known = contract(name, "2022")
    except UnknownCmdletError:
        yield f"command {name}"
        return
    names = {parameter.lower() for parameter in (*known.parameters, *COMMON)}
    yield from (f"parameter {name} -{parameter}" for parameter in parameters if parameter.lower() not in names)


def test_the_module_keeps_to_what_5_1_and_constrained_language_have(pwsh: Path) -> None:
    (script,) = described(pwsh, [INVOKE_CMDLETS])
    assert list(complaints(script)) == []


LACKING: Final = [
    ("$a = $true ? 1 : 2", "syntax TernaryExpressionAst"),
    ("$a = $b ?? 2", "operator QuestionQuestion"),
    ("$b ??= 2", "operator QuestionQuestionEquals"),
    ("Get-Date && Get-Date", "syntax PipelineChainAst"),
    ("${a}?.Name", "null-conditional ${a}?.Name"),
    ("class A { }", "syntax TypeDefinitionAst"),
    ("using namespace System.IO", "syntax UsingStatementAst"),
    ("[Convert]::ToBase64String($a)", "type Convert"),
    ("[Convert]::ToBase64String($a)", "method ToBase64String"),
    ("$a = [pscustomobject]@{}", "type pscustomobject"),
    ("$file.OpenRead()", "method OpenRead"),
    ("$file.IsReadOnly = $true", "sets $file.IsReadOnly"),
    ("ConvertFrom-Json '{}' -AsHashtable", "parameter ConvertFrom-Json -AsHashtable"),
    ("Get-Content x -AsByteStream", "parameter Get-Content -AsByteStream"),
    ("ConvertTo-CliXml 1", "command ConvertTo-CliXml"),
    ("gci", "command gci"),
    ("if (", "Missing condition in if statement after 'if ('."),
]


def test_what_they_lack_is_found(pwsh: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.ps1" for number in range(len(LACKING))]
    for path, (line, _complaint) in zip(paths, LACKING, strict=True):
        # A using statement has to come first.
        path.write_text(f"{line}\n#Requires -Version 5.1\n")
    found = [list(complaints(script)) for script in described(pwsh, paths)]
    missed = [line for (line, complaint), said in zip(LACKING, found, strict=True) if complaint not in said]
    assert missed == []


def test_it_says_what_it_needs_as_ansible_reads_it() -> None:
    """Ansible runs a module without a copy on the host only where a line says #Requires -Version or the like."""
    text = INVOKE_CMDLETS.read_text(encoding="utf-8")
    assert "\n#Requires -Version 5.1\n" in text
    assert "AnsibleRequires" not in text


def test_it_is_plain_ascii_with_unix_line_ends() -> None:
    """Windows PowerShell reads a file without a byte order mark in the code page of the host."""
    content = INVOKE_CMDLETS.read_bytes()
    assert content.isascii()
    assert b"\r" not in content
