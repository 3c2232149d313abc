"""A workspace in service: server, work pool, deployments and worker, brought up and looked at."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from assay.errors import CannotEvaluate
from assay.server import commands, record, worker
from assay.server.api import Api, NoAnswer
from assay.server.deployments import (
    Deployment,
    begin_deploying,
    deployments,
    differences,
    is_as_written,
    wait_until_deployed,
    write,
)
from assay.server.lifecycle import Announce, told_now_and_then, wait_until_ready
from assay.server.service import Service, begun, reached
from assay.server.worker import Worker, server_mark


def put_into_service(
    config: Path, *, announce: Announce, environ: Mapping[str, str], host: str
) -> None:
    """Server, work pool, deployments, one worker: what is missing of these is made.

    Raises:
        InputError: A file or setting is wrong.
        CannotEvaluate: One of them could not be had; the reason says which.
    """
    service = begun(config, announce=announce, environ=environ, host=host)
    record.make_folder(service.folder)
    with record.locked(service.folder):
        wanted = deployments(service)
        names = ", ".join(deployment.full_name for deployment in wanted)
        is_new = service.server is not None and service.server.new_database
        if not is_new:
            _await_server(service, announce=announce)
        if is_new or lacking(service, wanted):
            found = _deployed_and_worker_begun(service, wanted, announce=announce)
            announce(f"deployed: {names}")
        else:
            found = _begin_worker(service, announce=announce)
            announce(f"deployments up to date: {names}")
        worker.wait_until_online(found, service)
        announce(f"worker running: process {found.pid}, work pool {service.pool}")


def lacking(service: Service, wanted: list[Deployment]) -> list[str]:
    """What is missing on the server, or is not as it should be, in sentences.

    Raises:
        NoAnswer: The server does not say.
    """
    api, found = service.api, []
    if api.work_pool(service.pool) is None:
        found.append(f"the work pool {service.pool} is not there")
    if not is_as_written(service, wanted):
        found.append("prefect.yaml has changed since it was deployed")
    for deployment in wanted:
        there = api.deployment(deployment.full_name)
        problems = differences(deployment, there, service.config)
        found.extend(f"{deployment.full_name} {problem}" for problem in problems)
    return found


def next_runs(api: Api, wanted: list[Deployment]) -> dict[str, str]:
    """When each deployment that is there runs next, in words, by its full name.

    Raises:
        NoAnswer: The server does not say.
    """
    found = {deployment.full_name: api.deployment(deployment.full_name) for deployment in wanted}
    there = {name: each for name, each in found.items() if each is not None}
    only = {
        "deployments": {"id": {"any_": [each["id"] for each in there.values()]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    due: dict[str, datetime] = {}
    for run in api.find("flow_runs/filter", only) if there else []:
        due.setdefault(run["deployment_id"], datetime.fromisoformat(run["expected_start_time"]))
    return {name: _when(each, due.get(each["id"])) for name, each in there.items()}


def _when(deployment: Mapping[str, Any], due: datetime | None) -> str:
    if due is not None:
        return f"{due:%Y-%m-%d %H:%M} UTC"
    if not any(schedule["active"] for schedule in deployment["schedules"]):
        return "when it is asked for"
    return "when its schedule is switched on" if deployment["paused"] else "on its schedule"


def service_now(config: Path, environ: Mapping[str, str]) -> Service | None:
    """The service as far as it is up; None when no server is named and none runs."""
    return reached(config, commands.status(config.absolute().parent).server, environ)


def fits(found: Worker, service: Service) -> bool:
    """Whether a worker takes what is due on this service, not on another server's."""
    return (found.pool, found.server) == (service.pool, server_mark(service.url))


def _deployed_and_worker_begun(
    service: Service, wanted: list[Deployment], *, announce: Announce
) -> Worker:
    """Both import Prefect while a new server starts."""
    write(service, wanted)
    deploying = begin_deploying(service)
    try:
        found = _begin_worker(service, announce=announce)
        if service.server is not None and service.server.new_database:
            _await_server(service, announce=announce)
    except BaseException:
        deploying.kill()
        deploying.communicate()
        raise
    wait_until_deployed(deploying, service)
    return found


def _await_server(service: Service, *, announce: Announce) -> None:
    if service.server is not None:
        wait_until_ready(service.server, progress=told_now_and_then(announce))
        verb = "started" if service.server.started_now else "already running"
        announce(f"Prefect server {verb}: {service.server.ui_url}")
        return
    try:
        service.api.get("health")
    except NoAnswer as reason:
        raise CannotEvaluate(
            f"no Prefect server answers at {service.url}: {reason}",
            mend="start it, or unset PREFECT_API_URL (or clear it in your Prefect profile): "
            "Assay then starts one of its own",
        ) from None
    announce(f"Prefect server: {service.url}")


def _begin_worker(service: Service, *, announce: Announce) -> Worker:
    """The worker that runs already, if it is this server's; else one on the way up.

    What a killed worker left is ended: a run without its worker cannot end well, and keeps its
    evaluation from being gone on with.
    """
    found = worker.find(service.folder)
    if found is not None and fits(found, service):
        return found
    worker.stop(service.folder, announce=announce)
    return worker.start(service)
