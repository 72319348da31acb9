# SPDX-License-Identifier: GPL-3.0-or-later
"""What no host uses any more, decided from names and fingerprints alone."""

from __future__ import annotations

from ansible_collections.guarded.fabric.plugins.plugin_utils.retirement import Registered, Shown, retirement
from hypothesis import given
from hypothesis import strategies as st

OLD, NEW, OTHER = "a" * 64, "b" * 64, "c" * 64
CLASS_OLD, CLASS_NEW = "r740 aaaaaaaa", "r740 bbbbbbbb"


def policies(*names: str) -> list[Registered]:
    return [Registered(name, enabled=True) for name in names]


def shown(*used: str, approved: str = NEW, unseen: tuple[str, ...] = ()) -> Shown:
    return Shown({f"host{number}": item for number, item in enumerate(used, 1)}, {"r740": approved}, unseen)


def test_the_old_one_goes_once_every_host_uses_the_new_one() -> None:
    found = retirement(policies(CLASS_OLD, CLASS_NEW), shown(NEW, NEW))
    assert found.unused == (CLASS_OLD,)
    assert found.kept == {CLASS_NEW: "used by host1, host2"}


def test_one_host_that_lags_behind_keeps_it() -> None:
    found = retirement(policies(CLASS_OLD, CLASS_NEW), shown(NEW, OLD))
    assert found.unused == ()
    assert found.kept[CLASS_OLD] == "used by host2"


def test_a_host_of_another_class_that_starts_the_same_way_keeps_it() -> None:
    evidence = Shown({"host1": OLD}, {"r740": NEW, "x12": OLD}, ())
    assert retirement(policies(CLASS_OLD, CLASS_NEW), evidence).unused == ()


def test_a_host_that_was_not_seen_keeps_everything() -> None:
    found = retirement(policies(CLASS_OLD, CLASS_NEW), shown(NEW, unseen=("host9",)))
    assert found.unused == ()
    assert found.kept[CLASS_OLD] == "not seen: host9"
    assert retirement(policies(CLASS_OLD), shown(NEW, NEW).without(["host2"])).unused == ()


def test_what_was_approved_last_stays_though_no_host_is_there_yet() -> None:
    found = retirement(policies(CLASS_OLD, CLASS_NEW), shown(OLD))
    assert found.unused == ()
    assert found.kept[CLASS_NEW] == "the one that was approved last"


def test_a_bare_name_stays_until_every_host_uses_one_that_says_what_it_holds() -> None:
    lagging = retirement(policies("r740", CLASS_NEW), shown(NEW, OLD))
    assert (lagging.unused, lagging.kept["r740"]) == ((), "may be used by host2")
    assert retirement(policies("R740", CLASS_NEW), shown(NEW, NEW)).unused == ("R740",)


def test_a_policy_that_is_not_in_force_lets_nobody_in() -> None:
    disabled = [Registered("r740", enabled=True), Registered(CLASS_NEW, enabled=False)]
    assert retirement(disabled, shown(NEW)).unused == ()


def test_policies_of_somebody_else_are_not_touched() -> None:
    found = retirement(policies("lab exception", "x12 aaaaaaaa", CLASS_NEW), shown(NEW))
    assert (found.unused, set(found.kept)) == ((), {CLASS_NEW})


@given(
    st.sets(st.sampled_from(["r740", CLASS_OLD, CLASS_NEW, "r740 cccccccc", "other"])),
    st.lists(st.sampled_from([OLD, NEW, OTHER]), max_size=4),
    st.sampled_from([OLD, NEW, OTHER]),
)
def test_no_host_loses_what_it_uses(names: set[str], used: list[str], approved: str) -> None:
    """Every host whose content has a named policy before has one after."""
    found = retirement(policies(*sorted(names)), shown(*used, approved=approved))
    left = names - set(found.unused)
    for fingerprint in used:
        name = f"r740 {fingerprint[:8]}"
        assert (name in left) == (name in names)
        assert name in names or "r740" not in names or "r740" in left
