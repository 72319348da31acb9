# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for Windows that does nothing, as small as one can be; the captured payloads carry its text.

It is not a file of its own since ansible-test takes a `#!powershell` outside of plugins/modules for a slip.
"""

from __future__ import annotations

PROBE = b"""\
#!powershell

# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1

@{ changed = $false } | ConvertTo-Json
"""
