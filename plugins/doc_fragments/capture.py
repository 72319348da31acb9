# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of every module that captures artifacts says."""

from __future__ import annotations


class ModuleDocFragment:
    """Options beside config, and attributes, of a module that captures artifacts."""

    DOCUMENTATION = r"""
options:
  exchange:
    description:
      - The exchange directory, on the controller. Each kind of artifact has a folder in it, which is made where it is
        lacking. Beside each artifact lies a sidecar that says where it came from, when, its SHA-256, and who approved
        it.
      - What means the same as the artifact already there leaves it as it is, byte for byte.
      - What differs takes the place of an artifact that nobody approved. Beside one that somebody approved it is
        written as a candidate, with C(.candidate) in its name, and waits for M(guarded.fabric.artifact_approval).
    type: path
    required: true
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written. The machine is read if it can be; where it cannot, an earlier task of the same play may see
        to it, and that is a warning.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: windows
  async:
    description: Supports being used with the C(async) keyword.
    support: none
requirements:
  - cryptography and lxml on the controller
notes:
  - One remote execution; a second one where something has to be made first.
  - On the host only M(guarded.fabric.invoke_cmdlets) runs.
"""
