# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import exchange
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import CAPTURE_FAILED, CaptureRequest, capturing
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import guardian_metadata as resource
from ansible_collections.guarded.fabric.tests.unit.engine.switches import box

if TYPE_CHECKING:
    from pathlib import Path

    from .rollout import Stages

CAPTURE = resource.CAPTURE
CONFIG = {"name": "fabric"}


def served(content: object) -> Results:
    return Results({"metadata": Outcome(output=({"Content": content},))})


@pytest.mark.parametrize(
    "content",
    ["<Metadata/>", "\ufeff<Metadata/>", "\u00ef\u00bb\u00bf<Metadata/>", b"<Metadata/>"],
)
def test_content_is_the_same_however_windows_decoded_it(content: object) -> None:
    (captured,) = CAPTURE.read(served(content), CONFIG)
    assert captured.content == b"<Metadata/>"


@pytest.mark.parametrize("content", ["", "\ufeff", None, b""])
def test_no_content_is_a_problem_of_the_guardian(content: object) -> None:
    with pytest.raises(FabricError) as error:
        CAPTURE.read(served(content), CONFIG)
    assert [problem.kind for problem in error.value.problems] == [resource.NOTHING_SERVED]


def test_any_node_introduces_the_same_guardian(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("build_hgs").lab
    assert lab.capture("hgs01", CAPTURE, CONFIG, str(tmp_path)).changed
    assert not lab.capture("hgs02", CAPTURE, CONFIG, str(tmp_path)).changed
    assert len(lab.log.executions) == 1


def test_a_server_without_the_service_serves_nothing(stages: Stages, tmp_path: Path) -> None:
    with pytest.raises(FabricError) as error:
        stages.after("nothing").lab.capture("hgs01", CAPTURE, CONFIG, str(tmp_path))
    assert [problem.kind for problem in error.value.problems] == [CAPTURE_FAILED]


def test_a_page_that_is_no_metadata_is_never_saved(tmp_path: Path) -> None:
    page = {"results": [{"id": "metadata", "output": [{"Content": "<html/>"}]}]}
    request = CaptureRequest(CONFIG, str(tmp_path), "hgs01", "2026-11-24T19:00:00Z")
    with pytest.raises(FabricError) as error:
        box(tamper=lambda _answer: page).drive(capturing(CAPTURE, request))
    assert [problem.kind for problem in error.value.problems] == [exchange.NOT_OF_ITS_KIND]
    assert list(tmp_path.iterdir()) == []
