# SPDX-License-Identifier: GPL-3.0-or-later
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.guarded.fabric.plugins.filter.fabric_summary import fabric_summary

HOLDERS = {"owner": "AA11BB22CC", "guardians": ["dd"]}
STATE: dict[str, Any] = {
    "nodes": {"hgs1": {"phase": "ready", "domain": "g.example", "service": "hgs", "mode": "Tpm"}, "hgs2": None},
    "hosts": {
        "h1": {"is_host_guarded": True, "attestation_status": "Passed", "attestation_substatus": []},
        "h2": {"is_host_guarded": False, "attestation_status": "InsecureHostConfiguration",
               "attestation_substatus": ["SecureBoot", "FullBoot"]},
    },
    "policies": {
        "h1": {"kernel_enforcement": "audit", "user_enforcement": "audit", "restart_pending": False},
        "h2": {"kernel_enforcement": "enforced", "user_enforcement": "off", "restart_pending": True},
    },
    "machines": {
        "h1": [
            {"name": "vm", "power": "running", "shielded": True, "tpm": True, **HOLDERS},
        ],
        "h2": None,
    },
    "guardians": [{"name": "Fabric", "signing_thumbprint": "DD"}],
}  # fmt: skip


def line(name: str) -> list[str]:
    found = [text.split() for text in fabric_summary(STATE) if text.split()[:1] == [name]]
    assert len(found) == 1
    return found[0]


def test_a_node_that_could_not_be_asked_is_unknown() -> None:
    assert line("hgs1") == ["hgs1", "ready", "g.example", "hgs", "Tpm"]
    assert line("hgs2") == ["hgs2", "unknown", "unknown", "unknown", "unknown"]


def test_all_reasons_of_a_host_are_shown() -> None:
    assert line("h1") == ["h1", "yes", "Passed", "audit", "-"]
    enforced = ["enforced,", "programs", "off,", "restart", "pending"]
    assert line("h2") == ["h2", "no", "InsecureHostConfiguration", *enforced, "SecureBoot,", "FullBoot"]


def test_a_policy_that_could_not_be_read_is_unknown() -> None:
    shown = [text.split() for text in fabric_summary({**STATE, "policies": {"h2": {}}})]
    assert ["h1", "yes", "Passed", "unknown", "-"] in shown


def test_guardians_are_named_where_the_tenant_knows_them() -> None:
    assert line("vm") == ["vm", "h1", "running", "yes", "yes", "AA11BB22", "Fabric"]


def test_a_part_that_is_missing_is_said() -> None:
    with pytest.raises(AnsibleFilterError, match="hosts"):
        fabric_summary({key: value for key, value in STATE.items() if key != "hosts"})
