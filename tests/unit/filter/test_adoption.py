# SPDX-License-Identifier: GPL-3.0-or-later
from ansible_collections.guarded.fabric.plugins.filter.adoption import with_connections


def test_how_a_machine_is_reached_is_told_and_never_with_what() -> None:
    variables = {
        "ansible_host": "10.0.0.1",
        "ansible_winrm_transport": "ntlm",
        "ansible_password": "s3cr3t",
        "ansible_winrm_kinit_args": "-k s3cr3t",
        "ansible_become_password": "s3cr3t",
        "hgs_safe_mode_password": "s3cr3t",
    }
    assert with_connections([{"name": "host01", "part": "host"}], {"host01": variables}) == [
        {
            "name": "host01",
            "part": "host",
            "connection": {"ansible_host": "10.0.0.1", "ansible_winrm_transport": "ntlm"},
        }
    ]
