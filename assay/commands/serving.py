"""`assay server start | stop | status`: Prefect server, worker, deployments."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from assay import server
from assay.config import load_config
from assay.errors import InputError
from assay.server.api import NoAnswer
from assay.server.service import worker_folder


def start(arguments: argparse.Namespace) -> int:
    """Start it, or find it running; with a worker, all that deployments need."""
    workspace = _workspace(arguments)
    if not arguments.with_worker:
        server.start(workspace, announce=print, environ=os.environ, host=arguments.host)
        return 0
    from assay.server.in_service import put_into_service

    load_config(arguments.config, os.environ)  # a mistake in it is said before anything starts
    put_into_service(arguments.config, announce=_say, environ=os.environ, host=arguments.host)
    return 0


def stop(arguments: argparse.Namespace) -> int:
    """Stop the worker and the server; their data stay."""
    server.stop(_workspace(arguments), announce=_say)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Whether it runs, and where; its worker, its deployments and when they are due next."""
    workspace = _workspace(arguments)
    print(line(workspace))
    print(f"its data: {server.status(workspace).folder}")
    for text in _service_lines(arguments.config):
        print(text)
    return 0


def _service_lines(config: Path) -> Iterator[str]:
    """The worker and the deployments, as far as they are up."""
    from assay.server import worker
    from assay.server.deployments import deployments
    from assay.server.in_service import fits, lacking, next_runs, service_now

    found = worker.find(worker_folder(config.absolute().parent))
    service = service_now(config, os.environ)
    if found is None:
        yield "worker: not running (assay server start --with-worker starts one)"
    else:
        where = "" if service and fits(found, service) else ", for another server"
        yield (
            f"worker: running since {found.started_at:%Y-%m-%d %H:%M} UTC (process {found.pid}), "
            f"work pool {found.pool}{where}"
        )
    if service is None:
        return
    try:
        wanted = deployments(service)
        runs, problems = next_runs(service.api, wanted), lacking(service, wanted)
    except NoAnswer as reason:
        yield f"deployments: unknown ({reason})"
        return
    if len(problems) > len(wanted):  # neither the pool nor any of them is there
        yield "deployments: none"
        return
    for name, when in runs.items():
        yield f"deployment {name}: runs next {when}"
    for problem in problems:
        yield f"warning: {problem}; assay server start --with-worker deploys again"


def _say(text: str) -> None:
    print(text, flush=True)


def line(workspace: Path) -> str:
    """One line on the Prefect server that an evaluation in `workspace` would use."""
    if (url := server.api_url_from_outside(os.environ)) is not None:
        return f"Prefect server: {url} (named by your environment or Prefect profile)"
    found = server.status(workspace)
    if found.server is None:
        return "Prefect server: not running (assay evaluate starts it when it is needed)"
    state = "running" if found.ready else "running, but it does not answer"
    return f"Prefect server: {state} at {found.server.ui_url} (process {found.server.pid})"


def _workspace(arguments: argparse.Namespace) -> Path:
    config: Path = arguments.config
    if not config.is_file():
        raise InputError(
            "no such file",
            path=config,
            mend="run in the folder that holds assay.yaml, or name it with -c",
        )
    return config.absolute().parent
