"""The Prefect UI in a real browser: a form, a click, the run's page, a rollback by click.

ASSAY_SCREENSHOTS=docs/images uv run pytest tests/browser     writes the pictures of the docs
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from assay.live import read_pointers
from tests.service import PATIENCE_S, InService, eventually

CHROMIUM = shutil.which("chromium")
MUST_RUN = any(os.environ.get(name) for name in ("CI", "ASSAY_REQUIRE_BROWSER"))
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
PATIENCE_MS = 1000 * PATIENCE_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not MUST_RUN, reason="there is no chromium: apt-get install chromium"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a screen."""
    assert CHROMIUM, "chromium is missing, and this run has to have it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new window, patient with a machine that does other things, too."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield page
    page.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: to the documentation if that is asked for."""
    asked = os.environ.get("ASSAY_SCREENSHOTS")
    return Path(asked) if asked else tmp_path_factory.mktemp("pictures")


def test_a_candidate_is_evaluated_from_the_form_and_its_verdict_is_on_the_runs_page(
    used: InService, page: Page, pictures: Path
) -> None:
    """What a team does who never opens a terminal."""
    ui, deployment = used.server.ui_url, used.deployment("evaluate/evaluate")["id"]
    page.goto(f"{ui}/deployments/deployment/{deployment}/run")
    field = page.locator(".schema-form-property", has_text="The version to judge, such as")
    field.locator("button.p-select-button__control").first.focus()
    page.keyboard.press("ArrowDown")
    choices = page.locator(".p-select-option")
    expect(choices).to_have_text([f"support:v{number}" for number in (12, 13, 14, 15)])
    page.screenshot(path=pictures / "form.png")
    choices.filter(has_text="support:v15").click()
    page.get_by_role("button", name="Submit").click()

    before = read_pointers(used.config).pointers
    after = eventually(lambda: read_pointers(used.config).pointers, lambda now: now != before)
    assert after.active == "support:v15"

    run = newest_run(used, "evaluate/evaluate")
    assert used.ended(run)["name"] == "promote"
    page.goto(f"{ui}/runs/flow-run/{run}")
    expect(page.get_by_text("promote", exact=True).first).to_be_visible()
    expect(page.get_by_text("verdict:promote").first).to_be_visible()
    page.screenshot(path=pictures / "run.png")

    artifact = artifact_of(used, run)
    page.goto(f"{ui}/artifacts/artifact/{artifact}")
    heading = page.get_by_role("heading", name="promote: support:v15 against support:v13")
    expect(heading.first).to_be_visible()
    expect(page.get_by_text("p95 tokens").first).to_be_visible()
    page.screenshot(path=pictures / "decision.png")


def test_a_rollback_is_one_click_and_the_run_list_tells_what_happened(
    used: InService, page: Page, pictures: Path
) -> None:
    """At 3 a.m. nobody should look a command up."""
    before = read_pointers(used.config).pointers
    ui, deployment = used.server.ui_url, used.deployment("rollback/rollback")["id"]
    page.goto(f"{ui}/deployments/deployment/{deployment}")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Quick run").click()
    after = eventually(lambda: read_pointers(used.config).pointers, lambda now: now != before)
    assert after.active == before.rollback
    assert used.ended(newest_run(used, "rollback/rollback"))["name"] == "rolled back"

    page.goto(f"{ui}/runs")
    expect(page.get_by_text("support:v15 vs active").first).to_be_visible()
    expect(page.get_by_text("rolled back").first).to_be_visible()
    page.screenshot(path=pictures / "runs.png")


def newest_run(used: InService, name: str) -> str:
    """The id of the last run of a deployment."""
    runs: list[dict[str, Any]] = eventually(lambda: used.runs_of(name), bool)
    return str(max(runs, key=lambda run: run["created"])["id"])


def artifact_of(used: InService, run: str) -> str:
    """The id of the page that a run left."""
    only = {"artifacts": {"flow_run_id": {"any_": [run]}, "type": {"any_": ["markdown"]}}}
    with used.client() as client:
        found = eventually(
            lambda: client.post("/artifacts/filter", json=only).raise_for_status().json(), bool
        )
    return str(found[0]["id"])
