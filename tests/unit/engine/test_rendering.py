# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import (
    Bytes,
    Call,
    Credential,
    File,
    Ref,
    Restart,
    Secret,
    Step,
    Value,
    changing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.rendering import quote, render, render_call
from hypothesis import example, given
from hypothesis import strategies as st

QUOTES = "'\u2018\u2019\u201a\u201b"
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(alphabet=st.sampled_from(QUOTES + 'a$`"(;\n'))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


def literal(text: str) -> tuple[str, str]:
    """Read a single-quoted literal as PowerShell's tokenizer does; return its value and what follows."""
    assert text[0] in QUOTES
    value, position = "", 1
    while position < len(text):
        if text[position] in QUOTES:
            if text[position + 1 : position + 2] and text[position + 1] in QUOTES:
                value += text[position + 1]
                position += 2
                continue
            return value, text[position + 1 :]
        value += text[position]
        position += 1
    raise AssertionError("the literal does not end")


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from(QUOTES)), max_size=20))
@example("'; Remove-Item C:\\ -Recurse #")
@example("\u2019; whoami #")
@example("$(whoami)`n")
def test_a_literal_is_the_text_and_nothing_of_it_is_code(text: str) -> None:
    assert literal(quote(text)) == (text, "")


@given(VALUES)
def test_no_value_gets_out_of_its_literals(value: Value) -> None:
    rest, outside = render_call(Call("Set-X", {"Value": value})), ""
    while rest:
        if rest[0] in QUOTES:
            _text, rest = literal(rest)
        else:
            outside, rest = outside + rest[0], rest[1:]
    assert re.fullmatch(r"Set-X -Value[:\w $@(){}=;,-]*", outside)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-A $null"),
        (True, "-A:$true"),
        (False, "-A:$false"),
        (7, "-A 7"),
        ("x", "-A 'x'"),
        ([], "-A @()"),
        (["x", "y"], "-A @('x', 'y')"),
        ({}, "-A @{}"),
        ({"k": [True]}, "-A @{ 'k' = @($true) }"),
        (Ref("kp", ("0", "RawData")), "-A $kp[0].RawData"),
        (Secret("hunter2"), "-A (Read-Host -AsSecureString)"),
        (Credential("D\\u", Secret("hunter2")), "-A (Get-Credential -Credential 'D\\u')"),
        (File(b"hunter2", "host.xml"), "-A '.\\host.xml'"),
        (Bytes(b"hunter2", "vm.kp"), "-A ([IO.File]::ReadAllBytes('vm.kp'))"),
    ],
)
def test_a_value_shows_as_an_administrator_would_type_it(value: Value, shown: str) -> None:
    assert render_call(Call("Set-X", {"A": value})) == f"Set-X {shown}"


def test_a_result_that_is_used_later_is_kept() -> None:
    steps: list[Step] = [
        Call("Get-A", id="0-a"),
        Call("Get-B", id="0-b"),
        changing("Set-C", {"Of": Ref("0-a", ("Name",)), "List": [{"deep": Ref("0-b")}]}),
        Restart("two\nlines # of reason"),
    ]
    assert render(steps) == [
        "$r0_a = Get-A",
        "$r0_b = Get-B",
        "Set-C -Of $r0_a.Name -List @(@{ 'deep' = $r0_b })",
        "Restart-Computer -Force  # two lines # of reason",
    ]
