# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import (
    ALL_SETS,
    FOLDER,
    VERSIONS,
    UnknownCmdletError,
    Version,
    contract,
    contracts,
)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_parameter_of_a_set_is_described(version: Version) -> None:
    for known in contracts(version):
        for item in known.sets:
            assert set(item.places) <= set(known.parameters), (known.name, item.name)


@pytest.mark.parametrize("version", VERSIONS)
def test_set_names_differ(version: Version) -> None:
    for known in contracts(version):
        names = [item.name for item in known.sets]
        assert len(names) == len(set(names)), known.name


def test_names_are_found_in_any_case() -> None:
    assert contract("get-hgsSERVER", "2022").name == "Get-HgsServer"


def test_versions_differ_where_the_pages_do() -> None:
    with pytest.raises(UnknownCmdletError):
        contract("Set-CIPolicySetting", "2019")
    assert contract("Set-CIPolicySetting", "2022").module == "ConfigCI"
    assert "MultiplePolicyFormat" not in contract("New-CIPolicy", "2019").parameters
    assert "MultiplePolicyFormat" in contract("New-CIPolicy", "2022").parameters


def test_windows_powershell_is_the_same_on_all() -> None:
    assert contract("Get-Item", "2019") == contract("Get-Item", "2025")


def test_the_supplement_adds_values_types_parameters_and_cmdlets() -> None:
    host = contract("Add-HgsAttestationTpmHost", "2019").parameters["PolicyVersion"]
    assert {"PolicyVersion1704", "v1", "v2"} <= set(host.accepted_values)
    client = contract("Set-HgsClientConfiguration", "2022").parameters
    assert client["FallbackAttestationServerUrl"].type == "String[]"
    sets = {item.name: item.places for item in contract("Initialize-HgsServer", "2022").sets}
    assert "TrustHostKey" in sets["PrimaryServer_HgsDomain"]
    assert "TrustHostKey" not in sets["AdditionalServer"]
    assert [item.name for item in contract("Set-HgsClientHostKey", "2025").sets] == [ALL_SETS]
    with pytest.raises(UnknownCmdletError):
        contract("Set-HgsClientHostKey", "2016")


def test_every_record_of_the_supplement_names_a_text_that_shows_it() -> None:
    supplement = json.loads((FOLDER / "_supplement.json").read_text(encoding="utf-8"))
    for name, records in supplement["cmdlets"].items():
        for record in records:
            assert record["confidence"] in {"guide", "class definition", "reflection", "source"}, name
            assert record["sources"], name
            for source in record["sources"]:
                assert "/" in source["repository"], name
                assert source["path"], name
                assert len(source["commit"]) == 40, name


def test_every_file_names_its_source() -> None:
    for path in FOLDER.glob("[!_]*.json"):
        source = json.loads(path.read_text(encoding="utf-8"))["source"]
        assert source["repository"].startswith("MicrosoftDocs/"), path.name
        assert len(source["commit"]) == 40, path.name


@pytest.mark.parametrize(
    "name",
    # Names that some published text uses and that nothing supports.
    ["Get-HgsAttestationHostKey", "Remove-HgsAttestationHostKey", "Protect-ShieldingDataFile", "Enter-Credential"],
)
def test_slips_of_published_texts_are_not_taken_over(name: str) -> None:
    for version in VERSIONS:
        with pytest.raises(UnknownCmdletError):
            contract(name, version)


@pytest.mark.parametrize(
    ("cmdlet", "parameter"),
    [
        ("Initialize-HgsServer", "HgsDomainCredential"),
        ("New-HgsKeyProtector", "Guardians"),
        ("Import-HgsServerState", "ImportHostKeyModeState"),
    ],
)
def test_parameters_of_stale_examples_are_not_taken_over(cmdlet: str, parameter: str) -> None:
    for version in VERSIONS:
        assert parameter not in contract(cmdlet, version).parameters
