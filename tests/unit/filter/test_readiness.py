# SPDX-License-Identifier: GPL-3.0-or-later
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.guarded.fabric.plugins.filter.readiness import not_ready, readiness_summary
from ansible_collections.guarded.fabric.plugins.plugin_utils.host_facts import HostFacts
from ansible_collections.guarded.fabric.plugins.plugin_utils.readiness import as_data, judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.requirement import Demands
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import NOW

UNKNOWN = as_data(judge(HostFacts(caption="Windows Server 2022"), Demands(NOW)), "h1")
STANDARD = as_data(judge(HostFacts(datacenter=False, build=20348, is_server=True), Demands(NOW)), "h2")
READY: dict[str, Any] = {"modes": {"tpm": "preparable", "host_key": "ready"}, "findings": [], "facts": {}}
ANSWERS: dict[str, Any] = {"h1": UNKNOWN, "h2": STANDARD, "h3": READY, "h4": {}}


def test_a_host_that_is_unknown_or_silent_is_not_ready() -> None:
    assert not_ready(ANSWERS, "tpm") == ["h1", "h2", "h4"]
    assert not_ready({"h3": READY}, "host_key") == []


def test_another_mode_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="tpm or host_key"):
        not_ready(ANSWERS, "ad")


def test_the_tables_show_every_host_every_missing_thing_and_each_remedy_once() -> None:
    lines = [line.split() for line in readiness_summary(ANSWERS)]
    assert ["h4", "could", "not", "be", "asked", "unknown", "unknown"] in lines
    assert ["h3", "nothing", "preparable", "ready"] in lines
    edition = [line for line in lines if "GF-RDY-002" in line]
    assert [line[0] for line in edition] == ["h2", "GF-RDY-002"]
    assert len([line for line in lines if line[:1] == ["GF-RDY-900"]]) == 1


def test_there_is_one_table_where_nothing_is_missing() -> None:
    assert len(readiness_summary({"h3": READY})) == len(["", "Readiness", "header", "h3"])


def test_what_a_host_says_does_not_steer_the_terminal() -> None:
    told = {**READY, "facts": {"caption": "Windows\x1b[2J\nServer"}}
    (line,) = [line for line in readiness_summary({"h3": told}) if "h3" in line]
    assert "\x1b" not in line
    assert "Server" in line
