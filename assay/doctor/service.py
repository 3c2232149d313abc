"""The Prefect server, the worker and the deployments, as far as they are up."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from assay.doctor.finding import Finding, fail, ok, warn
from assay.server import worker
from assay.server.api import NoAnswer
from assay.server.deployments import deployments
from assay.server.in_service import fits, lacking, service_now
from assay.server.service import Service

_CLOCK_SLACK_S = 5.0
_BRING_UP = "assay server start --with-worker"
_MENDS_DEPLOYMENTS = f"deployments are older than the checkout or the prompts: {_BRING_UP}"


def service(config: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Everything about the server that an evaluation would use."""
    found = service_now(config, environ)
    if found is None:
        yield ok("server", "not running; assay evaluate starts it when it is needed")
        yield ok("worker", f"none; for runs from Prefect's UI: {_BRING_UP}")
        return
    try:
        yield from _server(found)
        yield from _worker_and_deployments(found)
    except NoAnswer as reason:
        mend = "see that it runs, or unset PREFECT_API_URL: Assay then starts one of its own"
        if found.server is not None:
            mend = f"read {found.server.folder / 'server.log'}; then assay server stop and start"
        yield fail("server", f"{found.url} does not answer: {reason}", mend)


def _server(service: Service) -> Iterator[Finding]:
    theirs, ours = service.api.get("admin/version"), version("prefect")
    if theirs is None or theirs == ours:
        yield ok("server", f"{service.url}, Prefect {theirs or 'of unknown version'}")
    else:
        yield warn(
            "server",
            f"{service.url} is Prefect {theirs}, here is {ours}",
            "assay server stop, then start it again"
            if service.server
            else "install the same version on both sides",
        )
    yield from _clock(service)


def _clock(service: Service) -> Iterator[Finding]:
    theirs = service.api.now()
    if theirs is None:
        return
    ahead_s = (datetime.now(UTC) - theirs).total_seconds()
    if abs(ahead_s) <= _CLOCK_SLACK_S:
        yield ok("clock", "agrees with the server's")
        return
    where = "ahead of" if ahead_s > 0 else "behind"
    yield warn(
        "clock",
        f"{abs(ahead_s):.0f} s {where} the server's: schedules fire at another time than shown",
        "let both machines ask a time server",
    )


def _worker_and_deployments(service: Service) -> Iterator[Finding]:
    wanted = deployments(service)
    problems = lacking(service, wanted)
    absent = {f"{deployment.full_name} is not there" for deployment in wanted}
    if absent <= set(problems):
        yield ok("worker", f"none; for runs from Prefect's UI: {_BRING_UP}")
        return
    yield _worker(service)
    for problem in problems:
        yield warn("deployments", problem, _MENDS_DEPLOYMENTS)
    if not problems:
        yield ok("deployments", ", ".join(deployment.full_name for deployment in wanted))


def _worker(service: Service) -> Finding:
    found = worker.find(service.folder)
    if found is not None and fits(found, service):
        return ok("worker", f"process {found.pid}, work pool {service.pool}")
    yours = [name for name in worker.online_workers(service) if not worker.is_one_of_ours(name)]
    if yours:
        return ok("worker", f"{yours[0]}, work pool {service.pool}")
    return warn("worker", "none is running: what is due or asked for waits", _BRING_UP)
