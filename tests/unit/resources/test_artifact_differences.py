# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.world import firmware_changes
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_differences import BY_FOLDER
from ansible_collections.guarded.fabric.tests.unit.evidence import evidence_files as files

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine


def update_firmware(host: Machine) -> None:
    assert host.firmware is not None
    firmware_changes.update(host.firmware, "1.5")


def update_windows(host: Machine) -> None:
    host.build = "20348.9999"


def test_a_baseline_says_what_is_compared_first_and_then_what_tells_the_cause() -> None:
    words = BY_FOLDER["tpm-baselines"](files.boot_log(), files.boot_log(update_firmware))
    assert words[0].startswith("GF-EVD-105 variable dbx (PCR 7, EV_EFI_VARIABLE_DRIVER_CONFIG): 3 entries, ")
    assert "(usual cause: Windows Update or a firmware update" in words[0]
    assert words[1].startswith(
        "not compared by HGS: GF-EVD-121 firmware version (PCR 0, EV_S_CRTM_VERSION): 1.4 -> 1.5"
    )


def test_what_is_not_compared_alone_is_no_difference() -> None:
    assert BY_FOLDER["tpm-baselines"](files.boot_log(), files.boot_log(update_windows)) == []


def test_a_policy_says_which_rule_came() -> None:
    words = BY_FOLDER["ci-policies"](files.policy_file(), files.policy_file(r"C:\Tools\a.exe", r"C:\Tools\b.exe"))
    assert any(word.startswith("GF-EVD-215 user mode file rule: nothing -> allow hash ") for word in words)
