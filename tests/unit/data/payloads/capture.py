# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what stock releases of ansible-core send to a Windows machine; see README.md beside this file."""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from ansible_collections.guarded.fabric.lab.wire.endpoint import Endpoint
from ansible_collections.guarded.fabric.lab.wire.ntlm import CredentialFile
from ansible_collections.guarded.fabric.lab.wire.payload import decode_command_line, decode_script
from ansible_collections.guarded.fabric.lab.wire.process_result import ProcessResult
from ansible_collections.guarded.fabric.lab.wire.recognised_scripts import (
    BootTimeQuery,
    LogonScreenQuery,
    RebootRequest,
    WhoAmI,
)
from ansible_collections.guarded.fabric.lab.wire.target import Execution, ModuleExecution
from ansible_collections.guarded.fabric.tests.unit.data.payloads import probe

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.wire.execution import Decoder

HERE = Path(__file__).parent
PASSWORD = "capture"
WIRE = "ansible_collections.guarded.fabric.lab.wire"
ARGUMENTS = {"text": "grüße, 😀", "nested": {"list": [1, 2.5, True, None]}}
PROBE = {"capture.probe.probe": ARGUMENTS}
TASKS: dict[str, dict[str, object]] = {
    "module": {**PROBE, "environment": {"GREETING": "grüß dich"}},
    "check_mode": {**PROBE, "check_mode": True},
    "async": {**PROBE, "async": 30, "poll": 1},
    "become": {**PROBE, "become": True, "become_method": "runas", "become_user": "SYSTEM"},
    "raw": {"raw": "whoami"},
    "copy": {"copy": {"content": "x", "dest": "C:\\x.txt"}},
    "win_reboot": {"ansible.windows.win_reboot": {"msg": "Update 'firmware' now"}},
}


class Machine:
    """Runs nothing, and restarts at once."""

    name = "CAPTURE"
    started = datetime(2026, 1, 1, tzinfo=UTC)

    def password_of(self, username: str) -> str | None:
        """Let anybody in who knows the password."""
        del username
        return PASSWORD

    async def execute(self, execution: Execution, user: str) -> ProcessResult:
        """Answer so that Ansible goes on to its next request."""
        if isinstance(execution, ModuleExecution):
            return ProcessResult(0, b'{"changed": false}')
        match execution.request:
            case RebootRequest() as request:
                self.started += timedelta(minutes=1)
                return request.answer()
            case BootTimeQuery() as request:
                return request.answer(self.started)
            case LogonScreenQuery() as request:
                return request.answer(shown=True)
            case WhoAmI() as request:
                return request.answer(user)
            case request:
                return ProcessResult(1, b"", repr(request).encode())


@dataclass(frozen=True)
class Recorder:
    """Runs a release's tasks; from 2.19 on the module's path is sent, so `scratch` should name nothing private."""

    python: Path
    collections: Path
    scratch: Path

    async def record(self, case: str, connection: str) -> list[dict[str, str]]:
        """Run one task, return what came over the wire."""
        seen: list[dict[str, str]] = []

        def recording(decode: Decoder) -> Decoder:
            def decoder(text: str, stdin: bytes) -> Execution:
                seen.append({"connection": connection, "case": case, "text": text, "stdin": stdin.decode()})
                return decode(text, stdin)

            return decoder

        with (
            mock.patch(f"{WIRE}.winrs.decode_command_line", recording(decode_command_line)),
            mock.patch(f"{WIRE}.psrp.decode_script", recording(decode_script)),
        ):
            self.make_collection()
            endpoint = Endpoint(Machine(), "127.0.0.1", 0, CredentialFile(self.scratch / "ntlm"))
            await endpoint.come_up()
            output = await self.play(case, connection, endpoint.port)
            await endpoint.go_down()
            shutil.rmtree(self.scratch)
        if not seen:
            sys.exit(f"{case} over {connection}: nothing was sent\n{output}")
        return seen

    def make_collection(self) -> None:
        """Lay out a collection with the probe."""
        modules = self.scratch / "ansible_collections/capture/probe/plugins/modules"
        modules.mkdir(parents=True)
        (modules / "probe.ps1").write_bytes(probe.PROBE)

    async def play(self, case: str, connection: str, port: int) -> str:
        """Run stock ansible-playbook with one task and return its output."""
        host = {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_connection": connection,
            "ansible_user": "Administrator",
            "ansible_password": PASSWORD,
            "ansible_winrm_scheme": "http",
            "ansible_winrm_transport": "ntlm",
            "ansible_psrp_protocol": "http",
            "ansible_psrp_auth": "ntlm",
        }
        (self.scratch / "inventory.json").write_text(json.dumps({"all": {"hosts": {"machine": host}}}))
        play = {"hosts": "machine", "gather_facts": False, "tasks": [TASKS[case]]}
        (self.scratch / "playbook.json").write_text(json.dumps([play]))
        process = await asyncio.create_subprocess_exec(
            *(self.python, "-m", "ansible", "playbook", "-i", "inventory.json", "playbook.json"),
            cwd=self.scratch,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.scratch),
                "LANG": "C.UTF-8",
                "ANSIBLE_COLLECTIONS_PATH": f"{self.scratch}:{self.collections}",
            },
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return output.decode()


async def main() -> None:
    """Record every case with every release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collections", type=Path, required=True, help="holds ansible_collections/ansible/windows")
    parser.add_argument("--scratch", type=Path, required=True, help="a directory to make and remove")
    parser.add_argument("release", nargs="+", help="such as 2.18=/venvs/2.18/bin/python")
    options = parser.parse_args()
    for release in options.release:
        version, _, python = release.partition("=")
        recorder = Recorder(Path(python), options.collections, options.scratch)
        seen = [
            entry
            for connection in ("winrm", "psrp")
            for case in TASKS
            for entry in await recorder.record(case, connection)
        ]
        content = json.dumps(seen, indent=1, ensure_ascii=False).encode()
        (HERE / f"core-{version}.json.xz").write_bytes(lzma.compress(content))


if __name__ == "__main__":
    asyncio.run(main())
