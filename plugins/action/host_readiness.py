# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.host_readiness."""

from __future__ import annotations

from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection_action import InspectionAction
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.host_readiness import INSPECTION


class ActionModule(InspectionAction):
    """Looks whether a server can be a guarded host."""

    inspection = INSPECTION
