# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import hgs_clusters, power, restarts
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import CallError, Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import UNSETTLED
from ansible_collections.guarded.fabric.plugins.plugin_utils.pfx import PFX_UNREADABLE
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import dns_client
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import hgs_server as resource
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab, beats

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Stages

RESOURCE = resource.RESOURCE
ONCE = ("Install-WindowsFeature", "Install-HgsServer", "Initialize-HgsServer")
PHASES = ("absent", "role restart", "role", "forest restart", "forest", "ready")


@pytest.fixture
def config(pfx_files: dict[str, File]) -> Item:
    return {
        "domain": "hgs.lab",
        "service": "hgs",
        "mode": "Tpm",
        "safe_mode_password": "Safe-Mode-1",
        **{f"{name}_certificate": file for name, file in pfx_files.items()},
        **{f"{name}_certificate_password": "Pfx-1" for name in pfx_files},
    }


def refused(lab: Lab, config: Item, machine: str = "hgs01") -> list[Kind]:
    before = lab.reader.statistics.changes.total()
    with pytest.raises(FabricError) as error:
        lab.run(machine, RESOURCE, [config])
    assert lab.reader.statistics.changes.total() == before
    return [problem.kind for problem in error.value.problems]


def phase(lab: Lab, machine: str = "hgs01") -> object:
    return lab.run(machine, RESOURCE, [], state="gathered").before[0]["phase"]


def step(lab: Lab, config: Item, phase_reached: str) -> None:
    """Let the lab go on to the next phase, by the module or by somebody who restarts the server by hand."""
    if phase_reached.endswith("restart"):
        restarts.restart(lab.world, lab.machine("hgs01"), lab.clock.now())
        lab.pass_time(power.RESTART + timedelta(minutes=5))
    else:
        lab.run("hgs01", RESOURCE, [config], reboot=False)


@pytest.mark.parametrize("number", range(len(PHASES)))
def test_a_run_goes_on_from_any_phase_and_does_nothing_twice(stages: Stages, config: Item, number: int) -> None:
    lab = stages.after("nothing").lab
    for passed in PHASES[:number]:
        assert phase(lab) == passed
        step(lab, config, passed)
    assert phase(lab) == PHASES[number]
    report = beats(lab, "hgs01", RESOURCE, [config])
    assert report.changed == (PHASES[number] != "ready")
    assert [lab.reader.statistics.calls[cmdlet] for cmdlet in ONCE] == [1, 1, 1]
    assert len(lab.log.reboots) == 0


@pytest.mark.parametrize("number", range(len(PHASES)))
def test_check_mode_shows_the_whole_way_that_is_left(stages: Stages, config: Item, number: int) -> None:
    lab = stages.after("nothing").lab
    for passed in PHASES[:number]:
        step(lab, config, passed)
    commands = lab.run("hgs01", RESOURCE, [config], check_mode=True).commands
    words = [command.split()[0] for command in commands]
    whole = [*ONCE[:1], "Restart-Computer", *ONCE[1:2], "Restart-Computer", *ONCE[2:]]
    assert words == whole[number:]


def test_a_restart_that_is_not_allowed_ends_the_run_after_the_role(stages: Stages, config: Item) -> None:
    lab = stages.after("nothing").lab
    report = lab.run("hgs01", RESOURCE, [config], reboot=False)
    assert (report.changed, report.reboot_required) == (True, True)
    again = lab.run("hgs01", RESOURCE, [config], reboot=False)
    assert again.reboot_required
    assert lab.reader.statistics.calls["Install-WindowsFeature"] == 1


def test_a_further_node_waits_for_the_certificates(stages: Stages) -> None:
    lab = stages.after("build_hgs").lab
    cluster = next(iter(lab.world.clusters.values()))
    cluster.joined["hgs02"] = lab.clock.now()
    with pytest.raises(FabricError) as error:
        lab.run("hgs02", RESOURCE, [{"domain": "hgs.lab"}], settle_seconds=0.0)
    assert [problem.kind for problem in error.value.problems] == [UNSETTLED]
    report = lab.run("hgs02", RESOURCE, [{"domain": "hgs.lab"}])
    assert not report.changed
    assert lab.log.slept * 60 >= hgs_clusters.REPLICATION.total_seconds() - 60


def test_gathering_waits_for_nothing(stages: Stages) -> None:
    lab = stages.after("build_hgs").lab
    next(iter(lab.world.clusters.values())).joined["hgs02"] = lab.clock.now()
    (found,) = lab.run("hgs02", RESOURCE, [], state="gathered").before
    assert (found["phase"], found["domain"], found["service"], found["mode"]) == ("ready", "hgs.lab", "hgs", "Tpm")
    assert lab.log.slept == 0


def test_a_further_node_needs_to_find_the_domain(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    lab.run("hgs01", dns_client.RESOURCE, [{"server_addresses": ["10.0.0.1"]}])
    join = {
        "domain": "hgs.lab",
        "join_address": lab.machine("hgs02").address,
        "safe_mode_password": "Safe-Mode-1",
        "domain_username": "hgs\\Administrator",
        "domain_password": "Guardian-1",
    }
    with pytest.raises(FabricError) as error:
        lab.run("hgs01", RESOURCE, [join])
    assert "No domain controller of hgs.lab could be contacted" in str(error.value)
    # Its clock goes on, and that is nobody's change.
    assert [problem.kind.id for problem in error.value.problems] == ["GF-RUN-001"]


def test_a_member_of_a_domain_is_refused(stages: Stages, config: Item) -> None:
    lab = stages.after("nothing").lab
    lab.machine("hgs01").domain = "corp.lab"
    assert refused(lab, config) == [resource.DOMAIN_MEMBER]


def test_a_controller_of_another_domain_is_refused(stages: Stages, config: Item) -> None:
    lab = stages.after("build_hgs").lab
    assert refused(lab, {**config, "domain": "other.lab"}) == [resource.OTHER_DOMAIN]


def test_another_service_on_a_node_that_is_ready_is_refused(stages: Stages, config: Item) -> None:
    lab = stages.after("build_hgs").lab
    assert refused(lab, {**config, "service": "other"}) == [resource.ALREADY_INITIALISED]
    assert not lab.run("hgs01", RESOURCE, [{**config, "service": "HGS", "domain": "HGS.lab"}]).changed


@pytest.mark.parametrize(
    "name", ["domain", "service", "safe_mode_password", "signing_certificate", "encryption_certificate"]
)
def test_what_the_way_needs_is_asked_for_before_it_begins(stages: Stages, config: Item, name: str) -> None:
    lab = stages.after("nothing").lab
    assert refused(lab, {**config, name: None}) == [resource.INPUT_MISSING]


def test_a_further_node_needs_an_administrator_of_the_domain(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    join = {"domain": "hgs.lab", "join_address": "10.0.0.1", "safe_mode_password": "Safe-Mode-1"}
    assert refused(lab, join) == [resource.INPUT_MISSING, resource.INPUT_MISSING]


def test_a_node_that_is_ready_needs_no_secrets_any_more(stages: Stages) -> None:
    lab = stages.after("build_hgs").lab
    assert not lab.run("hgs01", RESOURCE, [{"domain": "hgs.lab", "service": "hgs", "mode": "Tpm"}]).changed


def test_certificates_are_opened_before_the_host_is_asked(stages: Stages, config: Item) -> None:
    lab = stages.after("nothing").lab
    assert refused(lab, {**config, "signing_certificate_password": "wrong"}) == [PFX_UNREADABLE]
    assert lab.log.executions == []


def test_secrets_are_prompts_in_the_commands(stages: Stages, config: Item) -> None:
    report = stages.after("nothing").lab.run("hgs01", RESOURCE, [config], state="rendered")
    text = "\n".join(report.commands)
    assert "Safe-Mode-1" not in text
    assert "Pfx-1" not in text
    assert text.count("Read-Host -AsSecureString") == 3


def results(**outcomes: Outcome) -> Results:
    ready = {
        "role": Outcome(output=({"InstallState": "Installed"},)),
        "computer": Outcome(output=({"Domain": "hgs.lab", "DomainRole": 5},)),
        "promotion": Outcome(output=({"DSA Database file": "C:\\Windows\\NTDS\\ntds.dit"},)),
        "directory": Outcome(output=({"DNSRoot": "hgs.lab"},)),
        "service": Outcome(
            output=(
                {
                    "AttestationOperationMode": "Tpm",
                    "AttestationUrl": ["http://hgs.hgs.lab/Attestation"],
                    "KeyProtectionUrl": ["http://hgs.hgs.lab/KeyProtection"],
                },
            )
        ),
        "certificates": Outcome(output=({"CertificateType": "Signing"}, {"CertificateType": "Encryption"})),
    }
    return Results({**ready, **outcomes})


def failing(error_id: str, message: str = "") -> Outcome:
    return Outcome(error=CallError(error_id, "NotSpecified", message, accepted=True))


def test_a_directory_that_starts_is_waited_for() -> None:
    starting = failing("ActiveDirectoryServer:1355,Get-ADDomain", "Unable to find a default server")
    reading = RESOURCE.read(results(service=failing("X"), directory=starting), [{"domain": "hgs.lab"}])
    assert "Unable to find a default server" in reading.settling
    assert reading.state[""]["phase"] == "forest"


def test_a_server_without_the_tools_to_ask_the_directory_is_not_waited_for() -> None:
    missing = failing("CommandNotFoundException,Get-Command")
    assert RESOURCE.read(results(service=failing("X"), directory=missing), [{"domain": "hgs.lab"}]).settling == ""


@pytest.mark.parametrize(("mode", "name"), [("Tpm", "Tpm"), (1, "Tpm"), ("1", "Tpm"), (2, "AD"), (3, "HostKey")])
def test_the_mode_is_understood_as_name_and_as_number(mode: object, name: str) -> None:
    service = Outcome(output=({"AttestationOperationMode": mode, "AttestationUrl": "http://hgs.hgs.lab/Attestation"},))
    assert RESOURCE.read(results(service=service), []).state[""]["mode"] == name


def test_a_node_in_another_mode_is_refused() -> None:
    service = Outcome(
        output=({"AttestationOperationMode": "AD", "AttestationUrl": ["http://hgs.hgs.lab/Attestation"]},)
    )
    before = RESOURCE.read(results(service=service), []).state[""]
    (problem,) = RESOURCE.refuse(before, {**before, "mode": "Tpm"})
    assert problem.kind is resource.ALREADY_INITIALISED


def test_reading_accepts_whatever_error_an_unfinished_node_raises() -> None:
    accepting = {call.id for call in RESOURCE.observe([]) if call.accept}
    assert accepting == {"promotion", "directory", "service", "certificates"}
    assert not any(call.changes for call in RESOURCE.observe([]))
