# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack what Ansible's PowerShell exec wrapper sends, without interpreting any PowerShell.

Everything is found by structure, never by the wrapper's text, which differs in every release. Three layouts are known
(source: ansible.executor.powershell of ansible-core): 2.18 `<wrapper> NULx4 <json>`; 2.19 to 2.21
`<bootstrap json> NULx4 <manifest json>`; 2.22 the same with the manifest gzipped and in base64. What an unknown part of
a payload would have done on Windows cannot be known here, so each one is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from typing import TYPE_CHECKING, Final, cast

from .recognised_scripts import recognise
from .target import Execution, ModuleExecution, ScriptExecution

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
"""What a compressed manifest may unpack to."""

_SEPARATOR: Final = re.compile(rb"\r?\n?\x00{4}\r?\n?")
_POWERSHELL: Final = re.compile(r'(?i)^\s*"?(?:[^"\s]*\\)?(?:powershell|pwsh)(?:\.exe)?"?\s')
_ENCODED_COMMAND: Final = re.compile(r"(?i)\s-e(?:nc|ncodedcommand)?\s+(?P<base64>[A-Za-z0-9+/=]+)\s*$")
_LAYERS: Final = 4
_MODULE_WRAPPERS: Final = frozenset({"module_wrapper", "module_powershell_wrapper"})
_FILE_SCRIPTS: Final = frozenset(
    {
        "powershell_expand_user",
        "powershell_mkdtemp",
        "psrp_fetch_file",
        "psrp_put_file",
        "winrm_fetch_file",
        "winrm_put_file",
    }
)
_GZIP_WINDOW: Final = 31


class UnsupportedModuleError(Exception):
    """The payload carries a module that the lab cannot run as asked; the message is for the person who runs Ansible."""


class UnsupportedScriptError(Exception):
    """The payload is a script or command line that the lab does not know; the message is for the same person."""


def decode_command_line(line: str, stdin: bytes) -> Execution:
    """Unpack a command line of a WinRS shell, peeling every layer of `-EncodedCommand` (2.18 nests two)."""
    text = line
    for _ in range(_LAYERS):
        if not (_POWERSHELL.match(text) and (found := _ENCODED_COMMAND.search(text))):
            break
        try:
            text = base64.b64decode(found["base64"], validate=True).decode("utf-16-le")
        except ValueError as error:
            raise UnsupportedScriptError(f"-EncodedCommand holds no base64 of UTF-16 text: {error}") from error
    return decode_script(text, stdin)


def decode_script(text: str, stdin: bytes) -> Execution:
    """Unpack a PowerShell script and its standard input."""
    parts = _SEPARATOR.split(stdin, maxsplit=1)
    if len(parts) == 1:
        if request := recognise(text):
            return ScriptExecution(text, stdin, request)
        shown = text.strip().splitlines()[0][:120] if text.strip() else ""
        raise UnsupportedScriptError(f"The lab interprets no PowerShell and does not know this script: {shown!r}")
    head, body = parts
    try:
        bootstrap = _json_object(head, "bootstrap") if head.lstrip().startswith(b"{") else None
        return _from_manifest(bootstrap, body) if bootstrap is not None else _from_core_2_18(body)
    except _PayloadError as error:
        raise UnsupportedModuleError(f"The lab does not understand this payload of Ansible: {error}") from error


class _PayloadError(Exception):
    """A part is missing or is of another type than expected."""


def _json(text: str | bytes, what: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError) as error:
        raise _PayloadError(f"{what} is no JSON: {error}") from error


def _json_object(text: str | bytes, what: str) -> Mapping[str, object]:
    return _mapping(_json(text, what), what)


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _PayloadError(f"{what} is no object")
    return value


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise _PayloadError(f"{what} is no list")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise _PayloadError(f"{what} is no string")
    return value


def _base64(value: object, what: str) -> bytes:
    try:
        return base64.b64decode(_text(value, what), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _PayloadError(f"{what} is no base64: {error}") from error


def _module(name: str, source: bytes, arguments: Mapping[str, object], environment: object) -> ModuleExecution:
    internal = {key: value for key, value in arguments.items() if key.startswith("_ansible_")}
    return ModuleExecution(
        name=str(internal.get("_ansible_module_name") or name),
        source=source,
        arguments={key: value for key, value in arguments.items() if key not in internal},
        internal=internal,
        environment={key: str(value) for key, value in _mapping(environment or {}, "environment").items()},
    )


def _refuse_unsupported(names: list[str]) -> None:
    """Refuse `async_wrapper`, `become_wrapper`, `coverage_wrapper`, file transfers and what later releases may add."""
    unknown = [name for name in names if name not in _MODULE_WRAPPERS]
    if set(unknown) & _FILE_SCRIPTS:
        raise UnsupportedScriptError(f"The lab copies no files over the connection: {', '.join(unknown)}")
    if unknown:
        raise UnsupportedModuleError(
            f"The lab does not support the exec wrapper action {', '.join(unknown)} (async, become and the like)"
        )


def _from_core_2_18(body: bytes) -> Execution:
    payload = _json_object(body, "payload")
    _refuse_unsupported([_text(name, "actions") for name in _list(payload.get("actions"), "actions")])
    source = _base64(payload.get("module_entry"), "module_entry")
    return _module("", source, _mapping(payload.get("module_args"), "module_args"), payload.get("environment"))


def _manifest(bootstrap: Mapping[str, object], body: bytes) -> Mapping[str, object]:
    parameters = _mapping(bootstrap.get("params") or {}, "bootstrap params")
    blob = _SEPARATOR.split(body, maxsplit=1)[0].strip()
    if not parameters.get("DecompressInput") and blob.startswith(b"{"):
        return _json_object(blob, "manifest")
    unpack = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = unpack.decompress(_base64(blob.decode("ascii"), "manifest"), MAX_MANIFEST_BYTES)
    except (zlib.error, UnicodeDecodeError) as error:
        raise _PayloadError(f"manifest is not gzipped: {error}") from error
    if not unpack.eof:
        raise _PayloadError(f"manifest is cut short or unpacks to more than {MAX_MANIFEST_BYTES} bytes")
    return _json_object(text, "manifest")


def _from_manifest(bootstrap: Mapping[str, object], body: bytes) -> Execution:
    manifest = _manifest(bootstrap, body)
    actions = [_mapping(action, "action") for action in _list(manifest.get("actions"), "actions")]
    if not actions:
        raise _PayloadError("actions is empty")
    names = [_text(action.get("name"), "action name").removesuffix(".ps1") for action in actions]
    _refuse_unsupported(names)
    parameters = _mapping(actions[-1].get("params") or {}, "params")
    script = _text(parameters.get("Script"), "Script")
    scripts = _mapping(manifest.get("scripts"), "scripts")
    source = _base64(_mapping(scripts.get(script), f"script {script}").get("script"), script)
    return _module(script.removesuffix(".ps1"), source, _manifest_arguments(parameters), parameters.get("Environment"))


def _manifest_arguments(parameters: Mapping[str, object]) -> Mapping[str, object]:
    """Find the module's arguments: `ArgumentJSON` from 2.22 on, before that the variable `complex_args`."""
    if parameters.get("ArgumentJSON") is not None:
        return _json_object(_text(parameters["ArgumentJSON"], "ArgumentJSON"), "ArgumentJSON")
    for variable in _list(parameters.get("Variables") or [], "Variables"):
        if _mapping(variable, "variable").get("Name") == "complex_args":
            return _mapping(_mapping(variable, "variable").get("Value"), "complex_args")
    raise UnsupportedModuleError("The lab runs modules only: this payload carries a script without module arguments")
