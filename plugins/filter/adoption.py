# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that says how machines are reached, without what they are reached with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CONNECTION = (
    "ansible_host",
    "ansible_port",
    "ansible_connection",
    "ansible_user",
    "ansible_shell_type",
    *(
        f"ansible_winrm_{name}"
        for name in (
            "scheme",
            "transport",
            "path",
            "message_encryption",
            "server_cert_validation",
            "ca_trust_path",
            "connection_timeout",
            "operation_timeout_sec",
            "read_timeout_sec",
        )
    ),
    *(
        f"ansible_psrp_{name}"
        for name in (
            "protocol",
            "auth",
            "path",
            "message_encryption",
            "cert_validation",
            "ca_cert",
            "connection_timeout",
            "operation_timeout",
            "read_timeout",
        )
    ),
)
"""Variables that are no secret. What is not among them is left to the vaults."""


def with_connections(
    machines: Sequence[Mapping[str, Any]], hostvars: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return each machine with the variables that say how it is reached."""
    return [
        {
            **machine,
            "connection": {
                name: value for name in CONNECTION if (value := hostvars[machine["name"]].get(name)) is not None
            },
        }
        for machine in machines
    ]


class FilterModule:
    """The collection's filters of adopting."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"with_connections": with_connections}
