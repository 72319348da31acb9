# SPDX-License-Identifier: GPL-3.0-or-later
"""Published boot logs, in `formats/tcglogs` of the directory that GUARDED_FABRIC_SAMPLES names.

Beside each log stands what others say of it: PCR values read from the TPM that made it, and what tpm2_eventlog 5.4 or a
parser written in Go printed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import sipa, tcg_log, tpm_baseline, uefi
from ansible_collections.guarded.fabric.plugins.module_utils.boot_facts import boot_facts

SAMPLES = Path(os.environ.get("GUARDED_FABRIC_SAMPLES", "/nonexistent")) / "formats" / "tcglogs"
pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="published boot logs are not in the repository; GUARDED_FABRIC_SAMPLES is not set"
)
NAMES = sorted(path.stem for path in SAMPLES.glob("*.bin"))
ALGORITHMS = {name: number for number, name in tcg_log.ALGORITHM_NAMES.items()} | {"sm3_256": 0x12}

NOT_WHAT_THE_LOG_LEADS_TO = {
    # The reading was taken when the machine had been resumed four times; log 0 is that of the start before.
    ("dell-notebook-5eventlogs-WBCL-0", "sha256"): {12, 13, 14},
    # Cause unknown.
    ("dl160-fwupd-report", "sha1"): {0},
    ("dl160-fwupd-report", "sha256"): {0},
    # One extend with zeros that is not in the log; see test_a_bank_that_windows_did_not_use.
    ("IMN-SUPERMICRO-EPP-MSDefender", "sha1"): {0, 1, 2, 3, 4, 5, 6, 7},
}
REFUSED_AS_BASELINE = {
    "dell-notebook-5eventlogs-WBCL-4": "resumed from hibernation",
    "immune-windows_event_log": "resumed from hibernation",
}


@cache
def log_of(name: str) -> tcg_log.EventLog:
    return tcg_log.parse((SAMPLES / f"{name}.bin").read_bytes())


@cache
def expected_of(name: str) -> dict[str, Any]:
    return dict(json.loads((SAMPLES / f"{name}.expected.json").read_text(encoding="utf-8")))


def names_with(key: str, inner: str) -> list[str]:
    return [name for name in NAMES if inner in expected_of(name).get(key, {})]


WINDOWS = [name for name in NAMES if expected_of(name)["windows"]]


def test_there_are_samples() -> None:
    assert len(NAMES) >= 50
    assert len(WINDOWS) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_every_log_is_read_and_every_bank_replayed(name: str) -> None:
    log = log_of(name)
    assert log.events
    for algorithm in log.algorithms:
        if tcg_log.algorithm_name(algorithm) in hashlib.algorithms_available:
            assert set(tcg_log.replay(log, algorithm)) <= {event.pcr for event in log.events}


@pytest.mark.parametrize("name", names_with("recorded_pcrs", "banks"))
def test_replay_gives_what_the_tpm_held(name: str) -> None:
    log = log_of(name)
    compared = 0
    for bank, recorded in expected_of(name)["recorded_pcrs"]["banks"].items():
        if ALGORITHMS[bank] not in log.algorithms:
            continue
        replayed = tcg_log.replay(log, ALGORITHMS[bank])
        differing = {
            pcr for pcr, value in replayed.items() if str(pcr) in recorded and value.hex() != recorded[str(pcr)]
        }
        assert differing == NOT_WHAT_THE_LOG_LEADS_TO.get((name, bank), set())
        compared += sum(str(pcr) in recorded for pcr in replayed)
    assert compared


def test_a_bank_that_windows_did_not_use() -> None:
    name = "IMN-SUPERMICRO-EPP-MSDefender"
    recorded = expected_of(name)["recorded_pcrs"]["banks"]["sha1"]
    replayed = tcg_log.replay(log_of(name), tcg_log.SHA1)
    assert sipa.bank(log_of(name)) == tcg_log.SHA256
    for pcr in range(8):
        extended = hashlib.sha1(replayed[pcr] + bytes(20), usedforsecurity=False).hexdigest()
        assert extended == recorded[str(pcr)]


@pytest.mark.parametrize("name", names_with("tpm2_eventlog", "events"))
def test_tpm2_eventlog_says_the_same(name: str) -> None:
    expected = expected_of(name)["tpm2_eventlog"]
    # The tool refuses Windows' trust point; then it was given a copy without it.
    events = [event for event in log_of(name).events if event.pcr != tcg_log.WINDOWS_UNMEASURED_PCR]
    assert len(events) == expected["events"]
    assert Counter(str(event.pcr) for event in events) == expected["events_per_pcr"]
    named = Counter(event.type_name for event in events if not event.type_name.startswith("0x"))
    del named["EV_EFI_HCRTM_EVENT"]  # a type that version 5.4 has no name for
    assert named == {kind: count for kind, count in expected["types"].items() if kind in named}
    for ours, theirs in zip((event for event in events if event.pcr == 7), expected["pcr7"], strict=True):
        assert {tcg_log.algorithm_name(number): value.hex() for number, value in ours.digests.items()} == {
            {"sm3_256": "sm3"}.get(bank, bank): value for bank, value in theirs["digests"].items()
        }
    actions = sum(event.pcr == 0 and event.type == tcg_log.EV_NO_ACTION for event in events)
    for bank, pcrs in expected["pcrs"].items():
        replayed = tcg_log.replay(log_of(name), ALGORITHMS[bank])
        for pcr, value in pcrs.items():
            # Version 5.4 extends a second EV_NO_ACTION into PCR 0, which the specification forbids.
            if pcr != "0" or actions == 1:
                assert replayed[int(pcr)].hex() == value, (bank, pcr)


@pytest.mark.parametrize("name", names_with("go_parser", "events"))
def test_a_parser_in_go_says_the_same(name: str) -> None:
    expected = expected_of(name)["go_parser"]
    events = log_of(name).events[1 if log_of(name).spec else 0 :]
    assert len(events) == expected["events"]
    assert Counter(str(event.type) for event in events) == expected["types"]
    assert Counter(str(event.pcr) for event in events) == expected["events_per_pcr"]


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_measurements_hold_nothing_unknown(name: str) -> None:
    log = log_of(name)
    assert sipa.is_closed(log)
    records = list(sipa.flatten(sipa.measurements(log)))
    assert records
    assert [record.name for record in records if record.name.startswith("0x")] == []
    facts = boot_facts(log)
    assert facts.boot_debugging is False
    assert facts.code_integrity is True
    assert facts.full_boot is not None


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_logs_as_baselines(name: str) -> None:
    reasons = tpm_baseline.why_not(log_of(name))
    if name in REFUSED_AS_BASELINE:
        assert len(reasons) == 1
        assert REFUSED_AS_BASELINE[name] in reasons[0]
        return
    assert reasons == ()
    baseline = tpm_baseline.baseline(log_of(name))
    assert tpm_baseline.differences(baseline, baseline) == ()


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WINDOWS)))
def test_logs_of_other_systems_are_no_baselines(name: str) -> None:
    assert tpm_baseline.why_not(log_of(name))


def test_two_captures_of_one_machine_are_one_baseline_and_a_dbx_update_is_named() -> None:
    first, second = (
        tpm_baseline.baseline(log_of(name)) for name in ("IMN-SUPERMICRO-EPP-MSDefender", "immune-supermicro-osload")
    )
    assert tpm_baseline.fingerprint(first) == tpm_baseline.fingerprint(second)
    # Two machines of one model with the same firmware, one with a newer list of forbidden boot programs.
    older, newer = (
        tpm_baseline.baseline(log_of(name)) for name in ("dell-notebook-5eventlogs-WBCL-0", "DESKTOP-MIMU51J-EPP-ESET")
    )
    (difference,) = tpm_baseline.differences(older, newer)
    assert difference.element == "variable dbx"
    assert difference.old.startswith("77 entries, ")
    assert difference.new.startswith("267 entries, ")
    assert "; added 190: SHA-256 hash " in difference.new
    assert "removed" not in difference.new


@pytest.mark.parametrize("name", NAMES)
def test_secure_boot_variables_are_read(name: str) -> None:
    for event in log_of(name).events:
        if event.type == tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG:
            variable = uefi.parse_variable(event.data)
            if variable.name in ("PK", "KEK", "db", "dbx"):
                for entry in uefi.parse_signature_lists(variable.content):
                    assert uefi.describe(entry)
