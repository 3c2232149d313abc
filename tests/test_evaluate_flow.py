"""The flow as Prefect knows it: its history, its artifacts, and a deployment's way to call it."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Find, Promoted, Workspace

pytestmark = pytest.mark.slow

PATIENCE_S = 60
ENTRYPOINT = """
import asyncio, sys
from prefect.flows import load_flow_from_entrypoint
flow = load_flow_from_entrypoint("flows/evaluate.py:evaluate")
decision = asyncio.run(flow(candidate="support:v14", config=sys.argv[1], repeats=3, switch=False))
print(decision.verdict, decision.baseline.version, decision.evaluation_id)
"""


@pytest.fixture
def flow_run(find: Find, promoted: Promoted) -> dict[str, Any]:
    """The flow run of the sample's evaluation, found by the name that people look for."""
    named = {"flow_runs": {"name": {"any_": ["support:v15 vs support:v13"]}}}
    (run,) = (
        run
        for run in find("flow_runs", named)
        if run["parameters"]["evaluation_id"] == promoted.evaluation.name
    )
    return run


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


def test_progress_ends_at_100_and_the_decision_is_an_artifact(
    find: Find, flow_run: dict[str, Any]
) -> None:
    """Whoever watches in the UI sees how far it is, and then the verdict with its reason."""
    found = {artifact["type"]: artifact["data"] for artifact in find("artifacts", of(flow_run))}
    assert found.keys() == {"progress", "markdown"}
    assert float(found["progress"]) == 100.0
    assert found["markdown"].startswith("# promote\n")
    assert "`support:v13` -> `support:v15`" in found["markdown"]


def test_the_flow_runs_from_its_entrypoint_and_prefect_keeps_no_result_of_it(
    workspace: Workspace, prefect_environ: dict[str, str], tmp_path: Path
) -> None:
    """A schedule gives the candidate only; a kept result could only contradict the journal."""
    here, home = workspace(), tmp_path / "home"
    home.mkdir()
    before = (here / "assay.yaml").read_bytes()
    ran = subprocess.run(
        [sys.executable, "-c", ENTRYPOINT, here / "assay.yaml"],
        cwd=ROOT,
        env={**prefect_environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    verdict, baseline, evaluation_id = ran.stdout.split()
    assert (verdict, baseline) == ("reject", "v13")
    decision = json.loads((here / "results" / evaluation_id / "decision.json").read_text())
    assert decision["verdict"] == "reject"
    assert (here / "assay.yaml").read_bytes() == before
    assert not (home / ".prefect" / "storage").exists()
