# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module SecureBoot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .registry import CmdletError, cmdlet

if TYPE_CHECKING:
    from .registry import Bound, Session


@cmdlet("SecureBoot", "Confirm-SecureBootUEFI")
def confirm_secure_boot(session: Session, _p: Bound) -> object:
    """Say whether Secure Boot is on; a computer that starts by BIOS does not know it."""
    firmware = session.machine.firmware
    if firmware is None or not firmware.uefi:
        raise CmdletError(
            "Cmdlet not supported on this platform: 0xC0000002",
            "GetFWVarFailed,Microsoft.SecureBoot.Commands.ConfirmSecureBootUefiCommand",
            "NotImplemented",
            "System.PlatformNotSupportedException",
        )
    return firmware.secure_boot
