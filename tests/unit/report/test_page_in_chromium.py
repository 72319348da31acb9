# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real browser: what a reader can do with it, by eye, by keyboard, on paper, and by screen reader."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.bench.example_run import ODD_NAME, example
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift_findings import UNSEEN
from ansible_collections.guarded.fabric.plugins.plugin_utils.report import html
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES = Path(__file__).resolve().parents[3] / ".build" / "screenshots"
"""Kept after the tests, for people to look at."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on PATH: the report was not looked at in a browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("small"), 120, 40)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("large"), 1000, 5000)


def written(directory: Path, hosts: int, machines: int) -> str:
    path = directory / "report.html"
    path.write_text(html.render(example(hosts, machines)), encoding="utf-8")
    return path.as_uri()


def opened(browser: Browser, address: str, **options: Any) -> tuple[Page, list[str]]:  # noqa: ANN401 - Playwright's own
    page = browser.new_page(**options)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(address)
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, small: str, scheme: str) -> None:
    page, complaints = opened(browser, small, color_scheme=scheme, viewport={"width": 1280, "height": 900})
    results = Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"report-{scheme}.png")
    page.screenshot(path=PICTURES / f"report-{scheme}-whole.png", full_page=True)
    assert complaints == []
    page.close()


def test_a_machine_is_found_among_thousands_by_typing(browser: Browser, large: str) -> None:
    page, complaints = opened(browser, large)
    started = time.monotonic()
    page.keyboard.press("/")
    page.keyboard.type("vm04242")
    shown = page.locator("#machines tbody tr:visible")
    assert shown.count() == 1
    assert time.monotonic() - started < 10
    assert shown.inner_text().startswith("vm04242")
    assert page.locator("#found").inner_text().startswith("1 of ")
    page.keyboard.press("Escape")
    assert page.locator("#machines tbody tr:visible").count() == 5000
    assert complaints == []
    page.close()


def test_a_word_of_a_remedy_finds_its_findings(browser: Browser, small: str) -> None:
    page, _ = opened(browser, small)
    page.fill("#query", f"{UNSEEN.next_step} hv0050")
    assert page.locator(".kind:visible").count() == 1
    assert page.locator(".kind:visible tbody tr:visible").count() == 1
    page.close()


def test_it_works_without_scripts(browser: Browser, small: str) -> None:
    page, _ = opened(browser, small, java_script_enabled=False)
    assert not page.locator("#search").is_visible()
    assert page.locator("#hosts tbody tr:visible").count() == 120
    page.click("nav a[href='#certificates']")
    page.wait_for_url("**#certificates")
    page.close()


def test_the_keyboard_reaches_the_findings_at_once(browser: Browser, small: str) -> None:
    page, _ = opened(browser, small)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")
    page.close()


def test_a_name_that_is_a_script_is_text(browser: Browser, small: str) -> None:
    page, complaints = opened(browser, small)
    assert page.get_by_text(ODD_NAME).count() > 0
    assert complaints == []
    page.close()


def test_it_prints_without_what_only_a_screen_needs(browser: Browser, small: str) -> None:
    page, _ = opened(browser, small)
    page.emulate_media(media="print")
    assert not page.locator("#search").is_visible()
    assert not page.locator("nav").is_visible()
    assert page.locator("#hosts tbody tr:visible").count() == 120
    assert page.pdf().startswith(b"%PDF")
    page.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_itself_never_scrolls_sideways(browser: Browser, small: str, width: int) -> None:
    page, _ = opened(browser, small, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
