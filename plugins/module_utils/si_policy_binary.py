# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The binary form of a code integrity policy (SiPolicy.p7b, .cip, .bin), read and written.

The layout is not documented by Microsoft; it is the one that mattifestation/WDACTools and HotCakeX/Harden-Windows-Security
read, checked against published policies of format versions 7 and 8. Later versions add sections that no published policy
was found to have, so they are refused.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from .format_error import FormatError
from .si_policy import (
    ApplicationSetting,
    ApplicationSettings,
    FileRule,
    Policy,
    RuleKind,
    Scenario,
    Setting,
    Signer,
    SignerGroup,
    SignerReference,
)
from .signed_policy import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .si_policy import ApplicationSettingValue, SettingValue

NEWEST_FORMAT: Final = 8
_ALWAYS_SET: Final = 0x8000_0000
_SUPPLEMENTAL: Final = 0x4000_0000
_BODY_OFFSET: Final = 0x40
_BOOLEAN, _DWORD, _BINARY, _STRING, _STRING_SET = range(5)
