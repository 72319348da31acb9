# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.maintenance_mode."""

from __future__ import annotations

from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import ResourceAction
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.maintenance_mode import RESOURCE


class ActionModule(ResourceAction):
    """Drives maintenance_mode."""

    resource = RESOURCE
