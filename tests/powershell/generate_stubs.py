# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes PowerShell modules whose functions have the published syntax of Windows' cmdlets.

PowerShell's own binder then judges a call by the same facts as the lab's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.cmdlets.contracts import ALL_SETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Contract, Parameter

# Types that PowerShell knows on every system; any other is left open.
_TYPES: Final[Mapping[str, str]] = {
    "Boolean": "bool",
    "Byte": "byte",
    "Char": "char",
    "CultureInfo": "cultureinfo",
    "DateTime": "datetime",
    "Decimal": "decimal",
    "Double": "double",
    "Guid": "guid",
    "Hashtable": "hashtable",
    "IDictionary": "System.Collections.IDictionary",
    "IPAddress": "ipaddress",
    "Int16": "int16",
    "Int32": "int",
    "Int64": "long",
    "PSCredential": "pscredential",
    "PSObject": "psobject",
    "ScriptBlock": "scriptblock",
    "SecureString": "securestring",
    "Single": "single",
    "String": "string",
    "SwitchParameter": "switch",
    "TimeSpan": "timespan",
    "UInt16": "uint16",
    "UInt32": "uint32",
    "UInt64": "uint64",
    "Uri": "uri",
    "Version": "version",
    "X509Certificate2": "System.Security.Cryptography.X509Certificates.X509Certificate2",
    "XmlDocument": "xml",
}

# The variables of a stub's body are called like no parameter: a parameter's checks go with its name.
ECHO: Final = """\
    $stub_bound = [ordered]@{}
    foreach ($stub_name in $PSBoundParameters.Keys) {
      $stub_value = $PSBoundParameters[$stub_name]
      $stub_bound[$stub_name] = @{
        Type = if ($null -eq $stub_value) { '' } else { $stub_value.PSObject.TypeNames[0] }
        Text = if ($stub_value -is [array]) { $stub_value -join ',' } else { [string]$stub_value }
      }
    }
    [pscustomobject]@{
      Cmdlet = $MyInvocation.MyCommand.Name
      Set = $PSCmdlet.ParameterSetName
      Bound = $stub_bound
      Names = @($PSBoundParameters.Keys) -join ' '
    }
"""
"""Body of a stub that returns what was bound: the set, and of each parameter the type and the text of its value."""


def write_module(folder: Path, module: str, known: Iterable[Contract], body: str = ECHO) -> Path:
    """Write a module with a stub for each contract below `folder`, and return its path; an existing one is replaced."""
    place = folder / module
    place.mkdir(parents=True, exist_ok=True)
    stubs = [Stub(item, body) for item in known]
    enums = sorted({text for item in stubs for text in item.enums})
    names = ", ".join(_quoted(item.name) for item in stubs)
    # Without the list of functions, PowerShell would not find the module of a cmdlet.
    manifest = f"RootModule = {_quoted(module + '.psm1')}; ModuleVersion = '1.0.0'; FunctionsToExport = @({names})"
    place.joinpath(f"{module}.psd1").write_text(f"@{{ {manifest} }}\n")
    place.joinpath(f"{module}.psm1").write_text("".join([*enums, *(item.text for item in stubs)]))
    return place


class Stub:
    """A function that stands for a cmdlet: its text, and the enums that its parameters need."""

    def __init__(self, known: Contract, body: str) -> None:
        self.name = known.name
        self.enums: set[str] = set()
        self._body = body
        self.text = "".join(self._lines(known))

    def _lines(self, known: Contract) -> Iterator[str]:
        settings = ["PositionalBinding = $false"]
        if known.default_set:
            settings.append(f"DefaultParameterSetName = {_quoted(known.default_set)}")
        if known.should_process:
            settings.append("SupportsShouldProcess = $true")
        yield f"function {known.name} {{\n  [CmdletBinding({', '.join(settings)})]\n  param(\n"
        members = {name for item in known.sets for name in item.places}
        yield ",\n".join(
            f"    {self._parameter(known, parameter)}"
            for name, parameter in known.parameters.items()
            if name in members
        )
        yield f"\n  )\n  process {{\n{self._body}  }}\n}}\n"

    def _parameter(self, known: Contract, parameter: Parameter) -> str:
        attributes = []
        for item in known.sets:
            place = item.places.get(parameter.name)
            if place is None:
                continue
            facts = []
            if item.name != ALL_SETS:
                facts.append(f"ParameterSetName = {_quoted(item.name)}")
            if place.mandatory:
                facts.append("Mandatory = $true")
            if place.position is not None:
                facts.append(f"Position = {place.position}")
            if "ByValue" in parameter.pipeline:
                facts.append("ValueFromPipeline = $true")
            if "ByPropertyName" in parameter.pipeline:
                facts.append("ValueFromPipelineByPropertyName = $true")
            attributes.append(f"[Parameter({', '.join(facts)})]")
        if parameter.aliases:
            attributes.append(f"[Alias({', '.join(map(_quoted, parameter.aliases))})]")
        attributes.append(self._type(parameter))
        return f"{''.join(attributes)}${{{parameter.name}}}"

    def _type(self, parameter: Parameter) -> str:
        element = parameter.type.removesuffix("[]")
        array = parameter.type[len(element) :]
        if nullable := re.fullmatch(r"Nullable\[(\w+)\]", element):
            return f"[Nullable[{_TYPES[nullable[1]]}]]"
        values = parameter.accepted_values
        names = all(re.fullmatch(r"[A-Za-z_]\w*", value) for value in values)
        if values and names and element not in _TYPES:
            enum = re.sub(r"\W", "_", f"Stub_{element}_{'_'.join(values)}")
            self.enums.add(f"enum {enum} {{ {'; '.join(values)} }}\n")
            return f"[{enum}{array}]"
        accepted = f"[ValidateSet({', '.join(map(_quoted, values))})]" if values and element == "String" else ""
        return f"{accepted}[{_TYPES[element]}{array}]" if element in _TYPES else accepted


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
