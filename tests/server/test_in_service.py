"""A workspace in service, used as the Prefect UI uses it: runs are asked for over the API."""

import re
import sqlite3
from contextlib import closing

import httpx
import psutil
import pytest

from assay.live import read_pointers
from assay.pointers import Pointers
from assay.server.in_service import service_now
from assay.server.worker import find, flow_processes
from tests.service import InService, eventually

pytestmark = pytest.mark.slow


def test_one_command_brings_up_all_and_a_second_finds_it(used: InService) -> None:
    """Whoever types it twice must not get two workers that run every schedule twice."""
    assert "worker running: process" in used.printed
    worker = find(used.worker)
    again = used.assay("server", "start", "--with-worker")
    assert again.returncode == 0, again.stderr
    names = "evaluate/evaluate, rollback/rollback, promote/promote, nightly/nightly"
    assert f"deployments up to date: {names}, canary-watch/canary-watch" in again.stdout
    assert worker is not None
    assert again.stdout.splitlines()[-1].startswith(f"worker running: process {worker.pid},")
    status = used.assay("server", "status").stdout
    assert "worker: running since" in status
    assert "warning" not in status


def test_the_form_offers_the_versions_there_are_and_knows_its_config(used: InService) -> None:
    """A typo in a version, or a switch of another workspace's config, is not on offer."""
    deployment = used.deployment("evaluate/evaluate")
    form = deployment["parameter_openapi_schema"]["properties"]
    versions = [f"support:v{number}" for number in (12, 13, 14, 15)]
    assert form["candidate"]["enum"] == versions
    assert form["baseline"]["enum"] == ["active", *versions]
    assert all(field["description"] for field in form.values())
    assert deployment["parameters"] == {"config": str(used.config)}
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        used.click("evaluate/evaluate", candidate="support:v99")


def test_the_night_is_scheduled(used: InService) -> None:
    """A server that is up, and whose scheduler does not work with its database, tells nobody."""
    status = eventually(
        lambda: used.assay("server", "status").stdout,
        lambda said: "nightly/nightly: runs next on its schedule" not in said,
    )
    assert re.search(r"nightly/nightly: runs next \d{4}-\d\d-\d\d 02:00 UTC", status)


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
    folder = used.worker
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
