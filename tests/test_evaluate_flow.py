"""The flow as Prefect knows it: its history, its artifacts, and a deployment's way to call it."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Find, Promoted, copy_sample
from tests.fakes.alert_receivers import TAKEN, FakeWebhook

pytestmark = pytest.mark.slow

PATIENCE_S = 60
ENTRYPOINT = """
import asyncio, sys
from prefect.flows import load_flow_from_entrypoint
flow = load_flow_from_entrypoint("flows/evaluate.py:evaluate")
decision = asyncio.run(flow(candidate=sys.argv[2], config=sys.argv[1], repeats=3, switch=False))
print(decision.verdict, decision.baseline.version, decision.evaluation_id)
"""
ALERTS = "alerts: [{kind: webhook, url_env: ALERT_URL}]\n"

Events = Callable[[str, str, int], list[dict[str, Any]]]


@pytest.fixture
def flow_run(find: Find, promoted: Promoted) -> dict[str, Any]:
    """The flow run of the sample's evaluation, found by the name that people look for."""
    named = {"flow_runs": {"name": {"any_": ["support:v15 vs support:v13"]}}}
    runs = [
        run
        for run in find("flow_runs", named)
        if run["parameters"]["evaluation_id"] == promoted.evaluation.name
    ]
    return min(runs, key=lambda each: str(each["created"]))  # others go on with copies of it


@pytest.fixture
def events(find: Find) -> Events:
    """Waits until the server has stored so many events of a flow run, and gives them."""

    def ask(name: str, flow_run_id: str, number: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE_S
        found: list[dict[str, Any]] = []
        while len(found) < number:
            assert time.monotonic() < deadline, found
            answer = find("events", {"filter": {"event": {"name": [name]}}})
            found = [one for one in answer["events"] if flow_run_id in str(one["related"])]
        assert len(found) == number
        return found

    return ask


@dataclass(frozen=True)
class Entered:
    """A flow run by way of the entrypoint, as a worker does it."""

    workspace: Path
    home: Path
    exit_code: int
    printed: str
    alerts: list[dict[str, Any]]
    """What the configured webhook got."""


async def enter(folder: Path, candidate: str, environ: dict[str, str]) -> Entered:
    """Evaluate a candidate in a fresh copy of the sample, with a webhook that listens."""
    here, home = copy_sample(folder / "desk"), folder / "home"
    home.mkdir()
    with (here / "assay.yaml").open("a") as config:
        config.write(ALERTS)
    async with FakeWebhook([TAKEN]) as webhook:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ENTRYPOINT, here / "assay.yaml", candidate,
            cwd=ROOT, env={**environ, "HOME": str(home), "ALERT_URL": webhook.url},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), timeout=120)
        assert process.returncode is not None
        alerts = [request.body for request in webhook.asked]
        return Entered(here, home, process.returncode, out.decode(), alerts)


@pytest.fixture(scope="module")
def rejected(tmp_path_factory: pytest.TempPathFactory, prefect_environ: dict[str, str]) -> Entered:
    """The incident, evaluated by way of the entrypoint."""
    return asyncio.run(enter(tmp_path_factory.mktemp("rejected"), "support:v14", prefect_environ))


def of(flow_run: dict[str, Any]) -> dict[str, Any]:
    """A filter for what belongs to a flow run."""
    return {"flow_runs": {"id": {"any_": [flow_run["id"]]}}}


def test_an_evaluation_is_one_completed_flow_run(flow_run: dict[str, Any]) -> None:
    """The list of runs in the UI reads as a list of questions asked."""
    assert flow_run["state"]["type"] == "COMPLETED"
    assert flow_run["parameters"]["candidate"] == "support:v15"
    assert flow_run["parameters"]["baseline"] == "support:v13"


def test_each_cell_is_a_task_run_named_for_prompt_and_golden_task(
    find: Find, flow_run: dict[str, Any]
) -> None:
    """Which golden task is slow or broken is seen at a glance; the history lags by seconds."""
    expected = {"support:v15 / kb_lookup", "support:v13 / kb_lookup"}
    deadline = time.monotonic() + PATIENCE_S
    names: list[str] = []
    while len(cells := [name for name in names if " / " in name]) < 54:
        assert time.monotonic() < deadline, names
        names = [run["name"] for run in find("task_runs", of(flow_run))]
    assert expected < set(cells)
    assert len(cells) == len(set(cells)) == 54


def test_progress_ends_at_100_and_the_decision_and_its_gates_are_artifacts(
    find: Find, flow_run: dict[str, Any]
) -> None:
    """Whoever watches in the UI sees how far it is, then the verdict and what it rests on."""
    found = {one["key"] or one["type"]: one for one in find("artifacts", of(flow_run))}
    assert found.keys() == {"progress", "decision-support", "gates-support"}
    assert float(found["progress"]["data"]) == 100.0
    page = found["decision-support"]["data"]
    assert page.startswith("# promote: support:v15 against support:v13\n")
    assert "switched from support:v13 to support:v15" in page
    gates = json.loads(found["gates-support"]["data"])
    assert {"gate": "mean tokens", "result": "pass"}.items() <= gates[2].items()
    assert found["gates-support"]["description"] == "promote: support:v15 against support:v13"


def test_the_picture_of_the_gates_stands_beside_the_decision(promoted: Promoted) -> None:
    """It can be sent to somebody who has no Prefect."""
    assert (promoted.evaluation / "gates.svg").read_text().startswith("<svg ")


def test_runs_are_found_by_kind_prompt_baseline_and_verdict(
    find: Find, flow_run: dict[str, Any]
) -> None:
    """A year of history is only of use if it can be filtered."""
    tags = ["assay", "kind:evaluate", "prompt:support:v15", "baseline:support:v13"]
    wanted = {"flow_runs": {"tags": {"all_": [*tags, "verdict:promote"]}}}
    assert flow_run["id"] in [run["id"] for run in find("flow_runs", wanted)]


def test_decision_switch_and_alerts_are_events_of_the_agent_and_of_the_run(
    events: Events, flow_run: dict[str, Any]
) -> None:
    """What automations start from: they match labels, and their messages show payloads."""
    found = events("assay.decision", flow_run["id"], 1)
    found += events("assay.switch", flow_run["id"], 1)
    found += events("assay.alert", flow_run["id"], 2)
    for event in found:
        assert event["resource"]["prefect.resource.id"] == "assay.agent.support"
        related = [one["prefect.resource.id"] for one in event["related"]]
        assert f"prefect.flow-run.{flow_run['id']}" in related
    decision, switch, *alerts = found
    assert decision["resource"]["assay.verdict"] == decision["payload"]["verdict"] == "promote"
    assert decision["payload"]["candidate"] == "support:v15"
    assert decision["payload"]["gates"][0]["result"] == "pass"
    assert decision["payload"]["url"].endswith(f"/runs/flow-run/{flow_run['id']}")
    assert switch["payload"]["from"] == "support:v13"
    assert switch["payload"]["to"] == switch["resource"]["assay.prompt"] == "support:v15"
    assert switch["payload"]["action"] == "promote"
    assert {event["resource"]["assay.alert.kind"] for event in alerts} == {"promote", "switch"}


def test_the_flow_runs_from_its_entrypoint_and_prefect_keeps_no_result_of_it(
    rejected: Entered,
) -> None:
    """A schedule gives the candidate only; a kept result could only contradict the journal."""
    verdict, baseline, evaluation_id = rejected.printed.split()
    assert (verdict, baseline) == ("reject", "v13")
    kept = rejected.workspace / "results" / evaluation_id / "decision.json"
    assert json.loads(kept.read_text())["verdict"] == "reject"
    assert b'active: "support:v13"' in (rejected.workspace / "assay.yaml").read_bytes()
    assert not (rejected.home / ".prefect" / "storage").exists()


def test_a_rejection_reaches_the_receivers_with_the_address_of_the_runs_page(
    rejected: Entered, find: Find
) -> None:
    """From the telephone to the evidence is one click."""
    (alert,) = rejected.alerts
    assert alert["kind"] == "reject"
    assert alert["about"] == rejected.printed.split()[2]
    assert alert["title"] == "support:v14 rejected"
    run_id = alert["url"].rpartition("/")[2]
    (run,) = find("flow_runs", {"flow_runs": {"id": {"any_": [run_id]}}})
    assert "verdict:reject" in run["tags"]


def test_an_evaluation_that_could_not_be_carried_out_is_told(
    tmp_path: Path, prefect_environ: dict[str, str]
) -> None:
    """A night without an evaluation must not look like a night without news."""
    entered = asyncio.run(enter(tmp_path, "support:v99", prefect_environ))
    assert entered.exit_code == 1
    (alert,) = entered.alerts
    assert (alert["kind"], alert["agent"]) == ("failed", "support")
    assert "no such prompt version" in alert["text"]
    assert alert["url"].rpartition("/")[2] == alert["about"]


def test_the_address_of_a_runs_page_holds_no_password(prefect_environ: dict[str, str]) -> None:
    """It goes into alerts and events, and Prefect derives it from its API's address."""
    script = "from tasks.flow_runs import run_url; print(run_url('abc'))"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env=prefect_environ | {"PREFECT_API_URL": "http://user:hunter2@host:1/api"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout == "http://host:1/runs/flow-run/abc\n"
