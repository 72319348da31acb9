# SPDX-License-Identifier: GPL-3.0-or-later
"""What is adopted, run back, changes nothing, and a drift check finds nothing: for fabrics that grew in many ways."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .living import HOSTS, SETTINGS, Decisions, Fabric, drifts, everyone, grow, run_back, show, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from .living import Written

    Declared = Callable[[Path], dict[str, Any]]

NAMES = st.sampled_from(["{}", "HV-{}", "in rack 7, {}"])


@st.composite
def decisions(draw: st.DrawFn) -> Decisions:
    hosts = draw(st.lists(st.sampled_from(HOSTS), min_size=1, unique=True).map(sorted))
    machines = st.sampled_from(["", *SETTINGS])
    return Decisions(
        registered={host: draw(NAMES).format(host) for host in hosts},
        listed=draw(st.lists(st.sampled_from(HOSTS), unique=True).map(sorted)),
        baselines_by_class=draw(st.booleans()),
        policies_by_class=draw(st.booleans()),
        switched_off=draw(st.lists(st.sampled_from(["Hgs_NoHibernation", "Hgs_IommuEnabled"]), unique=True)),
        left_over=draw(st.none() | st.booleans()),
        left_over_by_class=draw(st.booleans()),
        zones=draw(st.lists(st.sampled_from(["partner.example", "other.lab"]), unique=True)),
        masters=draw(st.sampled_from([("hgs01", "hgs02"), ("hgs02",), ("hgs02", "hgs01")])),
        guardian=draw(st.sampled_from(["hgs", "Contoso", "our own fabric"])),
        second_owner=draw(st.booleans()),
        without_feature=draw(st.booleans()),
        machines={name: draw(machines) for name in ("vm01", "vm02", "vm03")},
    )


def adopted_as_it_is(
    fabric: Fabric, decided: Decisions, folder: Path, declared: Declared
) -> tuple[Written, dict[str, Any]]:
    """Adopt, twice, and look for drift."""
    machines = show(fabric, decided.listed)
    written = write(machines, folder)
    assert set(written.adoption.members.get("guarded_hosts", ())) == set(decided.listed) & set(decided.registered)
    again = write(machines, folder)
    assert again.texts == written.texts
    assert again.changed == []
    found = declared(folder)
    drift = [line for machine, wanted in everyone(found) for line in drifts(fabric.lab, machine, wanted["drift"])]
    assert drift == [], written.texts
    return written, found


def round_trip(fabric: Fabric, decided: Decisions, folder: Path, declared: Declared) -> Written:
    written, found = adopted_as_it_is(fabric, decided, folder, declared)
    assert run_back(fabric.lab, found, str(folder / "exchange")) == []
    return written


def test_a_fabric_that_the_roles_would_have_made_is_adopted_whole(
    half_built: Fabric, tmp_path: Path, declared: Declared
) -> None:
    decided = Decisions()
    written = round_trip(grow(half_built, decided), decided, tmp_path, declared)
    assert written.notes == {"GF-ADO-005"}


@settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(decided=decisions())
def test_what_is_adopted_changes_nothing(half_built: Fabric, declared: Declared, decided: Decisions) -> None:
    with TemporaryDirectory() as folder:
        round_trip(grow(half_built, decided), decided, Path(folder), declared)


def test_a_host_that_hgs_knows_by_a_name_that_no_file_has_is_kept(
    half_built: Fabric, tmp_path: Path, declared: Declared
) -> None:
    decided = Decisions(registered={"host01": "in rack 7, host01", "host02": "host02"})
    written = round_trip(grow(half_built, decided), decided, tmp_path, declared)
    hgs = written.adoption.groups["hgs"]
    assert hgs["attestation_host_names"] == ["host02"]
    assert hgs["attestation_hosts_without_artifact"] == ["in rack 7, host01"]


def test_a_policy_that_is_switched_off_stays_so_whatever_its_name_says(
    half_built: Fabric, tmp_path: Path, declared: Declared
) -> None:
    decided = Decisions(left_over=False, left_over_by_class=True)
    written = round_trip(grow(half_built, decided), decided, tmp_path, declared)
    variables = yaml.safe_load(written.texts["group_vars/hgs/adopted.yml"])
    (policy,) = variables["attestation_named_policies"]
    assert (policy["name"].split()[0], policy["enabled"]) == ("left-over", False)
