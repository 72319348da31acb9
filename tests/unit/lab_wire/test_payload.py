# SPDX-License-Identifier: GPL-3.0-or-later
"""What stock ansible-core sends, captured (tests/unit/data/payloads/README.md), and what nobody should send."""

from __future__ import annotations

import base64
import gzip
import json
import lzma
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.lab.wire.payload import (
    UnsupportedModuleError,
    UnsupportedScriptError,
    decode_command_line,
    decode_script,
)
from ansible_collections.guarded.fabric.lab.wire.recognised_scripts import (
    BootTimeQuery,
    LogonScreenQuery,
    RebootRequest,
    WhoAmI,
)
from ansible_collections.guarded.fabric.lab.wire.target import Execution, ModuleExecution, ScriptExecution
from ansible_collections.guarded.fabric.tests.unit.data.payloads.probe import PROBE
from hypothesis import given
from hypothesis import strategies as st

PAYLOADS = Path(__file__).parents[1] / "data/payloads"
ARGUMENTS = {"text": "grüße, 😀", "nested": {"list": [1, 2.5, True, None]}}
RELEASES = ("2.18", "2.19", "2.20", "2.21", "2.22")


@dataclass(frozen=True)
class Capture:
    connection: str
    case: str
    text: str
    stdin: bytes

    def decode(self) -> Execution:
        return {"winrm": decode_command_line, "psrp": decode_script}[self.connection](self.text, self.stdin)


def captures(release: str, connection: str, case: str) -> list[Capture]:
    entries = json.loads(lzma.decompress((PAYLOADS / f"core-{release}.json.xz").read_bytes()))
    found = [Capture(**{**entry, "stdin": entry["stdin"].encode()}) for entry in entries]
    return [capture for capture in found if (capture.connection, capture.case) == (connection, case)]


def only(release: str, connection: str, case: str) -> Capture:
    (capture,) = captures(release, connection, case)
    return capture


every_release = pytest.mark.parametrize("release", RELEASES)
both_connections = pytest.mark.parametrize("connection", ["winrm", "psrp"])


@every_release
@both_connections
def test_module_is_unpacked(release: str, connection: str) -> None:
    execution = only(release, connection, "module").decode()
    assert isinstance(execution, ModuleExecution)
    assert execution.name == "capture.probe.probe"
    assert execution.source == PROBE
    assert execution.arguments == ARGUMENTS
    assert execution.environment == {"GREETING": "grüß dich"}
    assert execution.internal["_ansible_check_mode"] is False


@every_release
@both_connections
def test_check_mode_reaches_the_module(release: str, connection: str) -> None:
    execution = only(release, connection, "check_mode").decode()
    assert isinstance(execution, ModuleExecution)
    assert execution.internal["_ansible_check_mode"] is True
    assert execution.arguments == ARGUMENTS


@every_release
@both_connections
@pytest.mark.parametrize(("case", "wrapper"), [("async", "async_wrapper"), ("become", "become_wrapper")])
def test_wrapper_that_is_not_emulated_is_refused(release: str, connection: str, case: str, wrapper: str) -> None:
    with pytest.raises(UnsupportedModuleError, match=wrapper):
        only(release, connection, case).decode()


@every_release
@both_connections
def test_file_transfer_is_refused(release: str, connection: str) -> None:
    first = captures(release, connection, "copy")[0]
    why = "does not know this script" if release == "2.18" else "copies no files.*powershell_mkdtemp"
    with pytest.raises(UnsupportedScriptError, match=why):
        first.decode()


@every_release
@both_connections
def test_raw_command_is_recognised(release: str, connection: str) -> None:
    execution = only(release, connection, "raw").decode()
    assert isinstance(execution, ScriptExecution)
    assert execution.request == WhoAmI()


@every_release
@both_connections
def test_win_reboot_is_recognised_step_by_step(release: str, connection: str) -> None:
    requests = [
        execution.request
        for capture in captures(release, connection, "win_reboot")
        if isinstance(execution := capture.decode(), ScriptExecution)
    ]
    before, reboot, after, logon = requests
    assert before == after == BootTimeQuery()
    assert reboot == RebootRequest(2, "Update 'firmware' now", forget_logon_screen=True)
    assert isinstance(logon, LogonScreenQuery)
    assert logon.marker.startswith("success-")


def nested(command: str, layers: int) -> str:
    for _ in range(layers):
        encoded = base64.b64encode(command.encode("utf-16-le")).decode()
        command = f"PowerShell -NoProfile -EncodedCommand {encoded}"
    return command


@pytest.mark.parametrize("layers", range(5))
def test_every_layer_of_encoding_is_peeled(layers: int) -> None:
    execution = decode_command_line(nested("whoami", layers), b"")
    assert isinstance(execution, ScriptExecution)


def test_endless_layers_are_refused() -> None:
    with pytest.raises(UnsupportedScriptError, match="does not know this script"):
        decode_command_line(nested("whoami", 5), b"")


def test_broken_encoding_is_refused() -> None:
    with pytest.raises(UnsupportedScriptError, match="no base64 of UTF-16"):
        decode_command_line("powershell.exe -enc AAA", b"")


def manifest(**changes: object) -> dict[str, object]:
    """Make the smallest manifest of 2.19 that runs a module."""
    parameters = {"Script": "m.ps1", "Variables": [{"Name": "complex_args", "Value": {"a": 1}}]}
    return {
        "actions": [{"name": "module_wrapper.ps1", "params": parameters}],
        "scripts": {"m.ps1": {"script": base64.b64encode(b"text").decode()}},
        **changes,
    }


def stdin_of(content: object, bootstrap: object = None) -> bytes:
    return json.dumps(bootstrap or {"params": {}}).encode() + b"\n\0\0\0\0\n" + json.dumps(content).encode()


def test_module_without_a_name_is_named_by_its_script() -> None:
    execution = decode_script("bootstrap", stdin_of(manifest()))
    assert execution == ModuleExecution("m", b"text", {"a": 1})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"actions": []}, "actions is empty"),
        ({"actions": {}}, "actions is no list"),
        ({"actions": [{"name": 1}]}, "action name is no string"),
        ({"actions": [{"name": "future_wrapper.ps1"}, {"name": "module_wrapper.ps1"}]}, "future_wrapper"),
        ({"scripts": {}}, "script m.ps1 is no object"),
        ({"scripts": {"m.ps1": {"script": "?"}}}, "m.ps1 is no base64"),
        ({"actions": [{"name": "module_wrapper.ps1", "params": {"Script": "m.ps1"}}]}, "runs modules only"),
    ],
)
def test_manifest_that_is_not_understood_is_refused_by_name(change: dict[str, object], why: str) -> None:
    with pytest.raises(UnsupportedModuleError, match=why):
        decode_script("bootstrap", stdin_of(manifest(**change)))


def compressed_stdin(content: bytes) -> bytes:
    return b'{"params": {"DecompressInput": true}}\0\0\0\0' + base64.b64encode(content)


def test_compressed_manifest_is_unpacked() -> None:
    execution = decode_script("bootstrap", compressed_stdin(gzip.compress(json.dumps(manifest()).encode())))
    assert isinstance(execution, ModuleExecution)


def test_manifest_that_unpacks_to_too_much_is_refused() -> None:
    bomb = gzip.compress(b"[" + b" " * (65 * 1024 * 1024))
    with pytest.raises(UnsupportedModuleError, match="unpacks to more than"):
        decode_script("bootstrap", compressed_stdin(bomb))


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"{}", mtime=0)[:-4], b""])
def test_compressed_manifest_that_is_broken_is_refused(content: bytes) -> None:
    with pytest.raises(UnsupportedModuleError):
        decode_script("bootstrap", compressed_stdin(content))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["actions", "scripts", "params", "name", "Script", "Variables", "module_args", "module_entry"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(head=st.sampled_from([b"{}", b'{"params": []}', b"# wrapper", b"{"]), content=json_values)
def test_any_json_is_unpacked_or_refused(head: bytes, content: object) -> None:
    try:
        execution = decode_script("bootstrap", head + b"\0\0\0\0" + json.dumps(content).encode())
    except (UnsupportedModuleError, UnsupportedScriptError):
        return
    assert isinstance(execution, ModuleExecution)


@given(text=st.text(), stdin=st.binary())
def test_any_bytes_are_unpacked_or_refused(text: str, stdin: bytes) -> None:
    for decode in (decode_script, decode_command_line):
        with pytest.raises((UnsupportedModuleError, UnsupportedScriptError)):
            decode(text, stdin)
