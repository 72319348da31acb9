# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of every resource module shares."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of resource modules."""

    DOCUMENTATION = r"""
options:
  reboot:
    description:
      - Whether the host may be restarted where O(config) needs it. The run goes on after the restart.
      - Without it the module stops where a restart is needed and says so with RV(reboot_required). Run it again after
        the restart, and it goes on from there.
    type: bool
    default: false
  reboot_timeout:
    description:
      - Seconds to wait for the host to answer after a restart.
    type: int
    default: 1800
  settle_timeout:
    description:
      - Seconds to wait for something that is under way on the host, such as a directory that starts, certificates that
        are being replicated, or a volume that is being encrypted.
    type: int
    default: 900
attributes:
  check_mode:
    support: full
    details:
      - What check mode reports is what a run does; values that the fabric decides are left out of RV(after).
      - Where something is missing that an earlier task of the same play may bring, check mode warns and goes on as if
        nothing were there.
  diff_mode:
    support: full
  platform:
    support: full
    platforms: windows
  async:
    description: Supports being used with the C(async) keyword.
    support: none
requirements:
  - cryptography and lxml on the controller
notes:
  - One remote execution where nothing has to change, two where something does, whatever the number of items.
  - On the host only M(guarded.fabric.invoke_cmdlets) runs.
"""
