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
from tests.fakes.forwarder import forwarded
from tests.service import PATIENCE_S, InService, eventually

CHROMIUM = shutil.which("chromium")
MUST_RUN = any(os.environ.get(name) for name in ("CI", "ASSAY_REQUIRE_BROWSER"))
FOR_THE_DOCS = os.environ.get("ASSAY_SCREENSHOTS")
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
    return Path(FOR_THE_DOCS) if FOR_THE_DOCS else tmp_path_factory.mktemp("pictures")


def test_a_candidate_is_evaluated_from_the_form_and_its_verdict_is_on_the_runs_page(
    used: InService, page: Page, pictures: Path
) -> None:
    """What a team does who never opens a terminal."""
    ui, deployment = used.server.ui_url, used.deployment("evaluate/evaluate")["id"]
    page.goto(f"{ui}/deployments/deployment/{deployment}/run")
    field = page.locator(".schema-form-property", has_text="The version to judge, such as")
    # On its arrow: a click elsewhere in the field opens the list and closes it at once.
    field.locator(".p-select-button__icon").first.click()
    choices = page.locator(".p-select-option")
    expect(choices).to_have_text([f"support:v{number}" for number in (12, 13, 14, 15)])
    above_paths = {"x": 0, "y": 0, "width": 1280, "height": 640}
    page.screenshot(path=pictures / "form.png", animations="disabled", clip=above_paths)
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
    expect(page.get_by_text("Beginning flow run").first).to_be_visible()
    if FOR_THE_DOCS:  # the timeline is painted on a canvas, and nothing tells when it is done
        page.wait_for_timeout(5000)
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
    page.set_viewport_size({"width": 1280, "height": 960})
    page.screenshot(path=pictures / "runs.png", animations="disabled")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_page_works_through_a_forwarded_port_under_either_name(
    used: InService, page: Page, name: str
) -> None:
    """The server is on a build host; the page must call the API where it came from itself."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 403 else None)
    with forwarded(used.server.port) as port:
        page.goto(f"http://{name}:{port}/deployments")
        expect(page.get_by_text("nightly", exact=True).first).to_be_visible()
        page.close()
    assert [url for url in asked if "/api/" in url]
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {f"{name}:{port}"}
    assert refused == []


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
