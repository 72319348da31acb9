# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.attestation_evidence."""

from __future__ import annotations

from ansible_collections.guarded.fabric.plugins.plugin_utils.capture_action import CaptureAction
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.attestation_evidence import CAPTURE


class ActionModule(CaptureAction):
    """Drives attestation_evidence."""

    capture = CAPTURE
