# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.trusted_tpm_vendors."""

from __future__ import annotations

from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection_action import InspectionAction
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.trusted_tpm_vendors import INSPECTION


class ActionModule(InspectionAction):
    """Looks which TPM vendors a node trusts."""

    inspection = INSPECTION
