"""A workspace in service, used as the Prefect UI uses it: runs are asked for over the API."""

import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from assay import server
from assay.live import read_pointers
from assay.pointers import Pointers
from assay.server.in_service import service_now
from assay.server.service import worker_folder
from assay.server.worker import flow_processes
from tests.commands import COLD
from tests.conftest import copy_sample

pytestmark = pytest.mark.slow

PATIENCE_S = 90


@dataclass(frozen=True, slots=True)
class InService:
    """A workspace after `assay server start --with-worker`."""

    workspace: Path
    environ: dict[str, str]
    printed: str

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.workspace / "assay.yaml"

    def assay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        return subprocess.run(
            [COLD, *arguments],
            cwd=self.workspace,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """The UI's way in."""
        found = server.status(self.workspace).server
        assert found is not None
        with httpx.Client(base_url=found.url, trust_env=False) as client:
            token = client.get("/csrf-token", params={"client": "ui"}).json()["token"]
            client.headers.update({"Prefect-Csrf-Client": "ui", "Prefect-Csrf-Token": token})
            yield client

    def click(self, name: str, **parameters: Any) -> str:
        """Ask for a run of a deployment; the run's id."""
        with self.client() as client:
            deployment = client.get(f"/deployments/name/{name}").json()
            asked = client.post(
                f"/deployments/{deployment['id']}/create_flow_run",
                json={"state": {"type": "SCHEDULED"}, "parameters": parameters},
            )
            return str(asked.raise_for_status().json()["id"])

    def state(self, run: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The run's state once it is what was waited for."""
        deadline = time.monotonic() + PATIENCE_S
        with self.client() as client:
            while not until(state := client.get(f"/flow_runs/{run}").json()["state"]):
                assert time.monotonic() < deadline, state
                time.sleep(0.1)
        return state

    def ended(self, run: str) -> dict[str, Any]:
        """The state that a run ended in."""
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return self.state(run, lambda state: state["type"] in ends)


@pytest.fixture(scope="module")
def used(
    tmp_path_factory: pytest.TempPathFactory, clean_environ: dict[str, str]
) -> Iterator[InService]:
    """In service, in a folder with a space and beside modules that are named as ours are."""
    workspace = copy_sample(tmp_path_factory.mktemp("in service") / "the desk")
    (workspace / "tasks.py").write_text("raise SystemExit('the tasks of somebody else')\n")
    started = subprocess.run(
        [COLD, "server", "start", "--with-worker"],
        cwd=workspace,
        env=clean_environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield InService(workspace, clean_environ, started.stdout)
    finally:
        server.stop(workspace, announce=print)


def test_one_command_brings_up_all_and_a_second_finds_it(used: InService) -> None:
    """Whoever types it twice must not get two workers that run every schedule twice."""
    assert "worker running: process" in used.printed
    again = used.assay("server", "start", "--with-worker")
    assert again.returncode == 0, again.stderr
    names = "evaluate/evaluate, rollback/rollback, promote/promote, nightly/nightly"
    assert f"deployments up to date: {names}, canary-watch/canary-watch" in again.stdout
    assert used.printed.splitlines()[-1] == again.stdout.splitlines()[-1]
    status = used.assay("server", "status").stdout
    assert "worker: running since" in status
    assert "warning" not in status
    assert re.search(
        r"nightly/nightly: runs next (on its schedule|\d{4}-\d\d-\d\d 02:00 UTC)", status
    )


def test_the_form_offers_the_versions_there_are_and_knows_its_config(used: InService) -> None:
    """A typo in a version, or a switch of another workspace's config, is not on offer."""
    with used.client() as client:
        deployment = client.get("/deployments/name/evaluate/evaluate").json()
    form = deployment["parameter_openapi_schema"]["properties"]
    versions = [f"support:v{number}" for number in (12, 13, 14, 15)]
    assert form["candidate"]["enum"] == versions
    assert form["baseline"]["enum"] == ["active", *versions]
    assert all(field["description"] for field in form.values())
    assert deployment["parameters"] == {"config": str(used.config)}
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        used.click("evaluate/evaluate", candidate="support:v99")


def test_a_click_evaluates_and_switches_and_another_goes_back(used: InService) -> None:
    """This is what a team does all day."""
    before = read_pointers(used.config).pointers
    run = used.click("evaluate/evaluate", candidate="support:v15")
    assert used.ended(run)["type"] == "COMPLETED"
    switched = Pointers(active="support:v15", rollback=before.active)
    assert read_pointers(used.config).pointers == switched

    back = used.ended(used.click("rollback/rollback", reason="tokens rise"))
    assert (back["type"], back["name"]) == ("COMPLETED", "rolled back")
    assert read_pointers(used.config).pointers.active == before.active
    again = used.ended(used.click("rollback/rollback"))
    assert (again["type"], again["name"]) == ("COMPLETED", "nothing to change")
    assert "tokens rise" in used.assay("history").stdout


def test_stop_ends_what_runs_and_leaves_no_process(used: InService) -> None:
    """A run that outlives its server could switch a config that nobody watches."""
    run = used.click("evaluate/evaluate", candidate="support:v12", repeats=2000, switch=False)
    used.state(run, lambda state: state["type"] == "RUNNING")
    folder = worker_folder(used.workspace)
    runs = flow_processes(folder)
    assert runs
    stopped = used.assay("server", "stop")
    assert "ended what it was running" in stopped.stdout
    assert not flow_processes(folder)
    assert not any(psutil.pid_exists(process.pid) for process in runs)
    assert service_now(used.config, used.environ) is None

    with closing(sqlite3.connect(used.workspace / ".assay/server/prefect.db")) as history:
        ((state,),) = history.execute("SELECT state_type FROM flow_run WHERE id = ?", [run])
    assert state == "CRASHED"
