# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.guarded.fabric.plugins.filter.evidence import FilterModule
from ansible_collections.guarded.fabric.tests.unit.evidence import evidence_files as files

if TYPE_CHECKING:
    from pathlib import Path

FILTERS = FilterModule().filters()
facts, problems, differences = (FILTERS[f"evidence_{name}"] for name in ("facts", "problems", "differences"))


def slurped(data: bytes) -> dict[str, str]:
    return {"content": base64.b64encode(data).decode(), "encoding": "base64", "source": "C:\\policy.p7b"}


def test_a_path_and_what_slurp_gave_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "policy"
    path.write_bytes(files.policy_file())
    assert facts(str(path)) == facts(slurped(path.read_bytes()))


def only(found: object) -> dict[str, object]:
    assert isinstance(found, list)
    (finding,) = found
    assert isinstance(finding, dict)
    return finding


def test_findings_name_the_machine_and_both_values() -> None:
    found = only(differences(slurped(files.policy_file(version=5)), slurped(files.policy_file()), "host1"))
    assert found["id"] == "GF-EVD-212"
    assert (found["machine"], found["resource"], found["object"]) == ("host1", "code_integrity_policy", "version")
    assert (found["expected"], found["actual"]) == ("10.0.0.0", "0.0.0.5")
    assert found["cause"]
    assert found["remedy"]
    assert only(problems(slurped(files.policy_file())))["id"] == "GF-EVD-202"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/no/such/file", "cannot read /no/such/file"),
        (slurped(b"no evidence, whatever else it is"), r"C:\\policy.p7b: evidence: expected one of"),
        (slurped(files.boot_log()[:-3]), r"C:\\policy.p7b: TCG event log: expected .* at offset"),
        ({"content": "-"}, "content is not base64"),
        ({"content": "ä"}, "content is not base64"),
        ({"stat": {}}, "a result of ansible.builtin.slurp is needed"),
        (7, "a path or a result of ansible.builtin.slurp is needed"),
    ],
)
def test_what_cannot_be_read_is_told(source: object, told: str) -> None:
    with pytest.raises(AnsibleFilterError, match=told):
        facts(source)


def test_two_kinds_are_not_compared() -> None:
    with pytest.raises(AnsibleFilterError, match="cannot compare"):
        differences(slurped(files.boot_log()), slurped(files.policy_file()))
