# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a machine's firmware in its life; an attestation service sees it after the machine's next start.

WSD guarded-fabric-troubleshoot-hosts: a baseline stops matching when launch authorities, the revocation list (dbx), the
debug flag or a custom Secure Boot policy change.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from . import firmware as factory

if TYPE_CHECKING:
    from .model import Firmware


def update(firmware: Firmware, version: str) -> None:
    """Install a firmware update: another version, a revocation (dbx) and other option ROMs."""
    firmware.version = version
    revoke(firmware, f"boot loader revoked by {version}")
    firmware.option_roms = [_image(f"{rom.hex()} as of {version}") for rom in firmware.option_roms]


def revoke(firmware: Firmware, image: str) -> None:
    """Extend the revocation list (dbx), as a Windows update does too; `image` says what is revoked."""
    firmware.variables = factory.forbid(firmware.variables, [_image(image)])


def add_option_rom(firmware: Firmware) -> None:
    """Plug in an adapter whose firmware runs before Windows."""
    firmware.option_roms = [*firmware.option_roms, _image(f"option ROM {len(firmware.option_roms)} of a new adapter")]


def enroll_authority(firmware: Firmware, name: str) -> None:
    """Let another authority vouch for what may start, as somebody does who wants to run other software."""
    firmware.variables = {**firmware.variables, "db": firmware.variables["db"] + factory.certificates(name)}


def turn_off_secure_boot(firmware: Firmware) -> None:
    """Switch Secure Boot off in the firmware's settings."""
    firmware.secure_boot = False


def turn_off_iommu(firmware: Firmware) -> None:
    """Switch the IOMMU (VT-d, AMD-Vi) off in the firmware's settings."""
    firmware.iommu = False


def turn_on_debugging(firmware: Firmware) -> None:
    """Switch the firmware's debug interface on."""
    firmware.debug = True


def _image(text: str) -> bytes:
    """Make up an image, or what stands for one."""
    return hashlib.sha256(text.encode()).digest()
