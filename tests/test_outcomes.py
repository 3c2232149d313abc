"""What becomes of a promote: switched, waiting, or not switched, and under which name it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.logging import disable_run_logger

from assay.cli import main
from assay.decision import Decision
from assay.decision.outcome import awaiting_approval, switched
from assay.history import read_history
from assay.live import read_pointers
from assay.plan import Plan
from assay.prompts import read_lock
from tasks.notices import listener
from tasks.states import named_state, state_name
from tasks.switching import switch_prompts
from tasks.workplace import Workplace, work_beside
from tests.carrying_out import planned
from tests.commands import COLD, Assay
from tests.conftest import ROOT, Find, Workspace
from tests.fakes.decided import promoting
from tests.fakes.desk_server import DeskServer, point_at

MANUAL = "rollout:\n  approval: manual\n  approval_hours: 2\n"
PROMOTING = {"tasks": 8, "repeats": 5}


@pytest.fixture
def quiet() -> Iterator[None]:
    """Tasks may be called outside of a flow run."""
    with disable_run_logger():
        yield


def extended(folder: Path, more: str) -> Path:
    config = folder / "assay.yaml"
    config.write_text(config.read_text() + more)
    return folder


def switched_by_the_task(plan: Plan, place: Workplace | None = None) -> Decision:
    """What the task makes of the plan's promote."""
    place = place or Workplace(str(plan.config.path))
    (decision,) = switch_prompts.fn(plan, [promoting(plan)], place, best=False)
    return decision


def carried_out(folder: Path) -> Decision:
    """What the task makes of a promote of v15."""
    plan = planned(folder, "v15")
    return switched_by_the_task(plan)


@pytest.mark.usefixtures("quiet")
def test_with_manual_approval_a_promote_switches_nothing_and_waits(workspace: Workspace) -> None:
    """That is all that the key is for."""
    here = extended(workspace(), MANUAL)
    before = (here / "assay.yaml").read_bytes()
    decision = carried_out(here)
    assert decision.approval is not None
    assert (decision.approval.state, decision.switched) == ("awaiting", None)
    left = decision.approval.deadline - datetime.now(UTC)
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    assert (here / "assay.yaml").read_bytes() == before
    assert not (here / "history.jsonl").exists()


@pytest.mark.usefixtures("quiet")
def test_nobody_is_asked_to_approve_what_would_be_refused(workspace: Workspace) -> None:
    """The config was edited while the runs were made: that is said at once, not after a click."""
    here = extended(workspace(), MANUAL)
    plan = planned(here, "v15")
    extended(here, "# edited\n")
    decision = switched_by_the_task(plan)
    assert decision.approval is None
    assert "; not switched: " in decision.reason
    assert "changed meanwhile; evaluate again" in decision.reason


@pytest.mark.usefixtures("quiet")
def test_what_the_command_after_a_switch_says_is_heard(workspace: Workspace) -> None:
    """At a terminal nobody sees the flow run's log."""
    heard: list[str] = []
    listener.set(heard.append)
    here = extended(workspace(), "rollout:\n  after_switch: sh -c 'echo no remote; exit 3'\n")
    decision = carried_out(here)
    listener.set(None)
    assert decision.switched is not None
    (warning,) = heard
    assert "failed with exit code 3; the switch itself is done: no remote" in warning


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("in_the_way", [".assay.yaml.tmp", "..assay.yaml.switching.tmp"])
def test_what_cannot_be_written_is_not_switched_and_says_what_to_do(
    workspace: Workspace, in_the_way: str
) -> None:
    """The runs cost money; a switch that fails must not lose them."""
    here = workspace()
    plan = planned(here, "v15")
    (here / in_the_way).mkdir()  # in the way of the file that is written first, for root too
    before = (here / "assay.yaml").read_bytes()
    decision = switched_by_the_task(plan)
    assert (decision.verdict, decision.switched) == ("promote", None)
    assert "; not switched: " in decision.reason
    assert "cannot be written" in decision.reason
    assert f"assay promote support:v15 --evaluation {plan.evaluation_id}" in decision.reason
    assert (here / "assay.yaml").read_bytes() == before
    assert read_history(here / "assay.yaml").entries == ()
    (here / in_the_way).rmdir()
    assert carried_out(here).switched is not None


@pytest.mark.usefixtures("quiet")
def test_a_config_that_is_gone_or_broken_by_then_does_not_lose_the_decision(
    workspace: Workspace,
) -> None:
    """Somebody checked out another branch while the runs were made."""
    here = workspace()
    plan = planned(here, "v15")
    (here / "assay.yaml").unlink()
    decision = switched_by_the_task(plan)
    assert (decision.verdict, decision.switched) == ("promote", None)
    assert "; not switched: " in decision.reason


def test_the_states_name_tells_the_outcome(workspace: Workspace) -> None:
    """The run list in the UI is read by its names, and filtered by them."""
    decision = promoting(planned(workspace(), "v15"))
    waiting = awaiting_approval(decision, deadline=datetime.now(UTC))
    done = switched(waiting, before="support:v13", after="support:v15")
    rejected = decision.model_copy(update={"verdict": "reject"})
    outcomes = {
        "promote": done,
        "awaiting approval": waiting,
        "promote (not switched)": decision,
        "reject": rejected,
        "inconclusive": decision.model_copy(update={"verdict": "inconclusive"}),
    }
    assert {name: state_name(each) for name, each in outcomes.items()} == {
        name: name for name in outcomes
    }
    state = named_state(waiting)
    assert (state.name, state.is_completed()) == ("awaiting approval", True)


APPROVE = """
import asyncio, sys
from prefect.flows import load_flow_from_entrypoint
flow = load_flow_from_entrypoint("flows/promote.py:promote")
for _ in range(2):
    state = asyncio.run(flow(
        evaluation_id=sys.argv[1], note="Ana: fine", config=sys.argv[2], return_state=True
    ))
    print(state.state_details.flow_run_id)
"""


@pytest.mark.slow
def test_awaiting_approval_is_seen_in_prefect_and_approved_from_there(
    assay: Assay,
    workspace: Workspace,
    desk: DeskServer,
    find: Find,
    prefect_environ: dict[str, str],
) -> None:
    """The whole way: evaluated, seen in the list of runs, approved by a flow, and once only."""
    here = extended(point_at(desk, workspace(), **PROMOTING), MANUAL)
    config = here / "assay.yaml"
    ran = assay(here, "evaluate", "support:v15", "--json", "-")
    assert ran.exit_code == 0, ran.err
    decision = json.loads(ran.out)
    evaluation_id = decision["evaluation_id"]
    assert decision["approval"]["state"] == "awaiting"
    assert read_pointers(config).pointers.active == "support:v13"
    waiting = find("flow_runs", {"flow_runs": {"state": {"name": {"any_": ["awaiting approval"]}}}})
    (run,) = (each for each in waiting if each["parameters"]["evaluation_id"] == evaluation_id)
    assert (run["state"]["type"], run["state"]["name"]) == ("COMPLETED", "awaiting approval")

    words = [sys.executable, "-c", APPROVE, evaluation_id, str(config)]
    done = subprocess.run(
        words, cwd=ROOT, env=prefect_environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, second = (_flow_run(prefect_environ, each) for each in done.stdout.split())
    for flow_run in (first, second):
        assert (flow_run["state"]["type"], flow_run["state"]["name"]) == ("COMPLETED", "promote")
        assert flow_run["name"] == f"approve {evaluation_id}"
    (entry,) = read_history(config).entries
    assert (entry.cause.reason, entry.after.active) == ("Ana: fine", "support:v15")
    assert entry.cause.approved_by
    kept = json.loads((here / "results" / evaluation_id / "decision.json").read_text())
    assert kept["approval"]["state"] == "approved"
    assert kept["switched"] == {"from": "support:v13", "to": "support:v15"}


def _flow_run(environ: dict[str, str], flow_run_id: str) -> dict[str, Any]:
    url = f"{environ['PREFECT_API_URL']}/flow_runs/{flow_run_id}"
    found: dict[str, Any] = httpx.get(url, trust_env=False).raise_for_status().json()
    return found


# Root writes everywhere unless that right is taken from it.
OBEYING = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []


@pytest.mark.slow
def test_in_a_read_only_workspace_an_evaluation_is_not_lost(
    workspace: Workspace, desk: DeskServer, prefect_environ: dict[str, str], tmp_path: Path
) -> None:
    """A remote worker, a pulled copy: it decides, warns of the lock, and says where to switch."""
    here = extended(
        point_at(desk, workspace(), **PROMOTING), f"results:\n  uri: {tmp_path / 'results'}\n"
    )
    (here / "prompts" / "lock.yaml").unlink()
    before = {path.name for path in here.iterdir()}
    for each in (here, here / "prompts"):
        each.chmod(0o555)
    ran = subprocess.run(
        [*OBEYING, COLD, "evaluate", "support:v15", "--json", "-"],
        cwd=here,
        env=prefect_environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    for each in (here, here / "prompts"):
        each.chmod(0o755)
    assert ran.returncode == 3, ran.stderr
    decision = json.loads(ran.stdout)
    assert (decision["verdict"], decision["switched"]) == ("promote", None)
    assert "not switched: " in decision["reason"]
    assert "cannot be written (Permission denied)" in decision["reason"]
    there = f"assay promote support:v15 --evaluation {decision['evaluation_id']}"
    assert decision["reason"].endswith(f"where it can be written: {there}")
    assert "lock.yaml: cannot be written: Permission denied" in ran.stderr
    assert "not locked until one of them is switched to" in ran.stderr
    assert {path.name for path in here.iterdir()} == before
    assert not (here / "prompts" / "lock.yaml").exists()
    assert main([*there.split()[1:], "-c", str(here / "assay.yaml")]) == 0
    assert read_lock(here / "prompts").keys() == {"support:v15"}


@pytest.mark.usefixtures("quiet")
def test_a_copy_of_the_config_is_evaluated_and_never_switched(workspace: Workspace) -> None:
    """Production reads another file: a switched copy would look done, and change nothing."""
    here = workspace()
    plan, before = planned(here, "v15"), (here / "assay.yaml").read_bytes()
    decision = switched_by_the_task(plan, Workplace(str(plan.config.path), "this is a copy"))
    assert (decision.verdict, decision.switched) == ("promote", None)
    assert "; not switched: this is a copy; where it can be written: " in decision.reason
    assert f"assay promote support:v15 --evaluation {plan.evaluation_id}" in decision.reason
    assert (here / "assay.yaml").read_bytes() == before
    assert not (here / "history.jsonl").exists()


@pytest.mark.parametrize("named", ["/gone/with/its machine/assay.yaml", "assay.yaml"])
def test_a_deployments_worker_reads_the_copy_in_its_folder_if_it_lacks_the_file(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """A worker on another machine pulls the repository; the path it was given is not there."""
    here = workspace()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
    place = work_beside(named)
    assert place.config == str(here / "assay.yaml")
    assert place.why_no_switch is not None
    assert "is a copy of the config" in place.why_no_switch


def test_a_deployments_worker_that_has_the_file_works_beside_it_and_may_switch(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that the deployment names wins over one that lies where the worker is."""
    here, elsewhere = workspace(), workspace()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
    assert work_beside(str(here / "assay.yaml")) == Workplace(str(here / "assay.yaml"))
    assert Path.cwd() == here
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "gone" / "assay.yaml"
    assert work_beside(str(gone)) == Workplace(str(gone))  # said where it is read
