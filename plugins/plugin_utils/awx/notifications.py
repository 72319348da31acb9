# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What AWX does with the configuration of a notification: what it adds, and what it never gives back.

Source: AWX 24.6.1, awx/main/notifications/, `init_parameters` of each backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES = (
    "awssns",
    "email",
    "grafana",
    "irc",
    "mattermost",
    "pagerduty",
    "rocketchat",
    "slack",
    "twilio",
    "webhook",
)
_ADDED: dict[str, dict[str, object]] = {
    "awssns": {
        "aws_region": "",
        "aws_access_key_id": "",
        "aws_secret_access_key": "",
        "aws_session_token": "",
        "sns_topic_arn": "",
    },
    "email": {"timeout": 30},
    "webhook": {"http_method": "POST", "disable_ssl_verification": False, "username": "", "password": ""},
}
_SECRET = ("account_token", "aws_secret_access_key", "aws_session_token", "grafana_key", "password", "token")


def whole(kind: str, configuration: Mapping[str, object]) -> dict[str, object]:
    """Return a configuration as AWX keeps it; compared with less, it would always differ."""
    return {**_ADDED.get(kind, {}), **configuration}


def secrets(configuration: Mapping[str, object]) -> list[str]:
    """Return the secrets in it."""
    return [str(configuration[name]) for name in _SECRET if configuration.get(name)]
