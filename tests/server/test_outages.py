"""What goes wrong around a workspace in service: no run is lost, no config switched twice."""

import json
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from assay.history import read_history
from assay.live import read_pointers
from assay.server import process
from assay.server.worker import find, flow_processes
from assay.store.journal import read_lines
from tests.conftest import Workspace
from tests.fakes.desk_server import DeskServer, point_at
from tests.service import InService, command, eventually

pytestmark = pytest.mark.slow

AT_ONCE = 4
ROUND_1 = 40
"""Requests answered before the outage: some runs have finished then, and some have not."""
STOPS_WITHIN_S = 10


@dataclass(frozen=True, slots=True)
class Held:
    """A run of the flow `evaluate` whose agents wait for their model's answers."""

    used: InService
    desk: DeskServer
    workspace: Path
    run: str

    @property
    def config(self) -> Path:
        """What it may switch: not the config of the workspace in service."""
        return self.workspace / "assay.yaml"

    @property
    def evaluation(self) -> Path:
        """The folder of the only evaluation."""
        (journal,) = self.workspace.glob("results/*/journal.jsonl")
        return journal.parent

    def finished(self) -> list[str]:
        """The run of every `run_end` line."""
        lines = read_lines(self.evaluation / "journal.jsonl")
        return [line["run"]["run_id"] for line in lines if line["type"] == "run_end"]

    def flow(self) -> list[psutil.Process]:
        """The processes of flow runs that there are now."""
        return flow_processes(self.used.worker)

    def is_switched(self) -> bool:
        """Whether the candidate is active."""
        return read_pointers(self.config).pointers.active == "support:v15"

    def wait_until_decided(self) -> dict[str, Any]:
        """The decision, once it is kept."""
        kept = self.evaluation / "decision.json"
        eventually(kept.exists, bool)
        decision: dict[str, Any] = json.loads(kept.read_text())
        return decision

    def must_have_switched_once(self) -> None:
        """One decision, one switch, every run once."""
        assert self.wait_until_decided()["verdict"] == "promote"
        assert self.is_switched()
        switches = [each.cause.evaluation_id for each in read_history(self.config).entries]
        assert switches == [self.evaluation.name]
        assert max(Counter(self.finished()).values()) == 1


Hold = Callable[[], Held]


@pytest.fixture
def hold(used: InService, workspace: Workspace, desk: DeskServer) -> Iterator[Hold]:
    """Asks for an evaluation, and returns when its agents wait for answers in the middle of it.

    It judges a workspace of its own: the one in service is shared by all tests.
    """
    folder = point_at(desk, workspace(), tasks=8, repeats=5)

    def ask() -> Held:
        desk.hold_after(ROUND_1)
        config = str(folder / "assay.yaml")
        asked = {"candidate": "support:v15", "config": config, "max_concurrency": AT_ONCE}
        run = used.click("evaluate/evaluate", **asked)
        desk.wait_until_held(AT_ONCE)
        return Held(used, desk, folder, run)

    yield ask
    for left in flow_processes(used.worker):  # of a test that failed
        left.kill()


def test_a_cancelled_evaluation_stops_at_once_keeps_its_runs_and_goes_on(hold: Hold) -> None:
    """Whoever sees tokens burn in the UI clicks `Cancel`; what was paid for stays paid for."""
    held = hold()
    agents = held.flow()
    held.used.cancel(held.run)
    gone = psutil.wait_procs(agents, timeout=STOPS_WITHIN_S)[0]
    assert len(gone) == len(agents) > 0
    assert not held.is_switched()
    kept = held.finished()
    assert kept

    held.desk.drop_held()
    own = {**held.used.environ, "PREFECT_API_URL": held.used.server.url}
    again = command(held.workspace, own, "evaluate", "support:v15")
    assert again.returncode == 0, again.stderr
    assert f"going on with evaluation {held.evaluation.name}" in again.stderr
    assert held.finished()[: len(kept)] == kept
    held.must_have_switched_once()
    assert held.used.ended(held.run)["type"] == "CANCELLED"


def test_a_killed_worker_loses_no_run_and_a_new_one_goes_on(hold: Hold) -> None:
    """A machine that is short of memory kills the worker, or the flow's own process."""
    held = hold()
    kept = held.finished()
    worker = find(held.used.worker)
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    held.desk.release()  # the flow's process lives, and notices when it next prints
    assert held.used.ended(held.run)["type"] == "CRASHED"
    assert not held.is_switched()

    started = held.used.assay("server", "start", "--with-worker")
    assert started.returncode == 0, started.stderr
    asked = {"candidate": "support:v15", "config": str(held.config)}
    again = held.used.click("evaluate/evaluate", **asked, evaluation_id=held.evaluation.name)
    assert held.used.ended(again)["name"] == "promote"
    assert held.finished()[: len(kept)] == kept
    held.must_have_switched_once()


@contextmanager
def database_locked(used: InService) -> Iterator[None]:
    """Somebody else holds the server's SQLite file."""
    file = used.server.folder / "prefect.db"
    with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_an_evaluation_decides_and_switches_while_the_database_is_locked(hold: Hold) -> None:
    """A backup holds the file; the journal is the truth, and Prefect only the history."""
    held = hold()
    with database_locked(held.used):
        held.desk.release()
        held.wait_until_decided()
    assert held.used.ended(held.run)["name"] == "promote"
    held.must_have_switched_once()


def test_an_evaluation_whose_server_is_killed_decides_and_switches_once(hold: Hold) -> None:
    """The server is only told; an evaluation of hours does not hang on it."""
    held = hold()
    os.kill(held.used.server.pid, signal.SIGKILL)
    held.desk.release()
    held.must_have_switched_once()
    assert process.find(held.used.workspace / ".assay" / "server") is None
    again = held.used.assay("server", "start", "--with-worker")
    assert again.returncode == 0, again.stderr
    assert held.used.ended(held.run)["name"] == "promote"
    held.must_have_switched_once()


def test_a_night_that_is_due_while_one_runs_is_skipped(
    used: InService, workspace: Workspace, desk: DeskServer
) -> None:
    """Two nights at once would pay twice, and each would load the model that both measure."""
    folder = point_at(desk, workspace(), tasks=2, repeats=2)
    desk.hold_after(0)
    config = str(folder / "assay.yaml")
    with due_every(2, used, "nightly/nightly", config=config, max_concurrency=AT_ONCE):
        desk.wait_until_held(AT_ONCE)
        runs = eventually(
            lambda: used.runs_of("nightly/nightly"),
            lambda runs: any(run["state"]["type"] == "CANCELLED" for run in runs),
        )
    (night,) = (run["id"] for run in runs if run["state"]["type"] == "RUNNING")
    desk.release()
    assert used.ended(night)["type"] == "COMPLETED"
    assert len(list(folder.glob("results/*/journal.jsonl"))) == 1
    others = [run["state"] for run in used.runs_of("nightly/nightly") if run["id"] != night]
    assert {state["type"] for state in others} == {"CANCELLED"}


@contextmanager
def due_every(seconds: float, used: InService, name: str, **parameters: Any) -> Iterator[None]:
    """A deployment with a second schedule; what it had due is taken back at the end."""
    schedules = f"/deployments/{used.deployment(name)['id']}/schedules"
    with used.client() as client:
        due = {"schedule": {"interval": seconds}, "active": True, "parameters": parameters}
        (added,) = client.post(schedules, json=[due]).raise_for_status().json()
        try:
            yield
        finally:
            client.delete(f"{schedules}/{added['id']}").raise_for_status()


def test_a_deployment_of_an_old_checkout_fails_says_so_and_is_mended_by_one_command(
    used: InService,
) -> None:
    """After `git pull` the server may hold parameters that the flow no longer knows."""
    before = used.config.read_bytes()
    deployment = used.deployment("rollback/rollback")
    with used.client() as client:
        old = {"version": "of last year", "parameters": {**deployment["parameters"], "force": True}}
        client.patch(f"/deployments/{deployment['id']}", json=old).raise_for_status()
    run = used.click("rollback/rollback")
    assert used.ended(run)["type"] in ("CRASHED", "FAILED")
    assert used.config.read_bytes() == before
    eventually(lambda: used.log(run), lambda log: "force" in log)
    doctor = used.assay("doctor").stdout
    assert "rollback/rollback has the parameters of another version of the flow" in doctor

    assert used.assay("server", "start", "--with-worker").returncode == 0
    assert used.deployment("rollback/rollback")["parameters"] == deployment["parameters"]
