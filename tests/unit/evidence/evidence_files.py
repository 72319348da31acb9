# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of machines of the lab, before and after something was done to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.world import code_integrity, measured_boot, tpm
from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata, si_policy_binary
from ansible_collections.guarded.fabric.plugins.module_utils.platform_identifier import NAMESPACE
from ansible_collections.guarded.fabric.tests.unit.lab_world.bare_host import bare_host
from ansible_collections.guarded.fabric.tests.unit.module_utils import guardians

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.guarded.fabric.lab.world.model import Certificate, Machine, Tpm
    from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import Policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def key() -> bytes:
    return tpm.new_rsa_key()


@cache
def vendor() -> Certificate:
    return tpm.new_vendor("Lab Silicon", NOW)


@cache
def chip(_number: int = 0) -> Tpm:
    return tpm.manufacture("Lab Silicon", vendor(), NOW)


def machine() -> Machine:
    return bare_host(tpm.manufacture_without_certificate("Contoso", key))


def unchanged(_machine: Machine) -> None:
    """Only restart."""


def boot_log(change: Callable[[Machine], None] = unchanged) -> bytes:
    made = machine()
    change(made)
    measured_boot.measure(made, NOW, key)
    assert made.boot is not None
    return made.boot.log


def resumed(host: Machine) -> None:
    measured_boot.measure(host, NOW, key)
    host.settings = replace(host.settings, resume_instead_of_boot=True)


def policy(*paths: str, **changes: int) -> Policy:
    programs = [code_integrity.Program(path, path.encode()) for path in paths or (r"C:\Tools\a.exe",)]
    made = code_integrity.policy_for(programs, ("Hash",), user_mode=True, deny=False)
    return replace(made, **changes)  # type: ignore[arg-type]


def policy_file(*paths: str, **changes: int) -> bytes:
    return si_policy_binary.write(policy(*paths, **changes))


def identifier(name: str, *parts: tuple[str, str]) -> bytes:
    inside = "".join(f"<{tag}>{text}</{tag}>" for tag, text in (("ForeignKey", name), *parts))
    return f'<PlatformIdentifiers xmlns="{NAMESPACE}">{inside}</PlatformIdentifiers>'.encode()


def metadata(name: str) -> bytes:
    encryption = guardians.identity(f"{name} encryption").certificate
    return guardian_metadata.build(guardians.identity(name), encryption, guardians.identity("communications"))
