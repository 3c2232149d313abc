"""The workspace's worker: found, started, stopped. One process, which runs what is due.

It knows its folder by name, and each process it starts bears that name in its environment:
so are the runs found that a killed worker left behind.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from assay.errors import CannotEvaluate
from assay.server.api import NoAnswer
from assay.server.programs import arguments_of, end, launch, log_end
from assay.server.service import Service

FOLDER_VARIABLE = "ASSAY_WORKER"
"""In the environment of the worker and of every process below it: the worker's folder."""

_PROGRAM = "assay.server.work"
_POLL_S = 0.1
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0
_LOCAL = {
    "PREFECT_WORKER_QUERY_SECONDS": "2",  # an own server does not mind being asked
}
_ALWAYS = {
    # Prefect could install what a pyproject.toml of the user's asks for, before each run.
    "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker that is alive."""

    pid: int
    started_at: datetime
    """UTC."""
    pool: str
    server: str
    """Which server it asks, as `server_mark` has it."""


def server_mark(url: str) -> str:
    """Tells servers apart on a command line, where an address might show a password."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def worker_name(pid: int) -> str:
    """What our workers are called on the server."""
    return f"assay {pid}"


def is_one_of_ours(name: str) -> bool:
    """Whether a worker of that name was started by Assay, and so is found by its process."""
    return re.fullmatch(r"assay \d+", name) is not None


def online_workers(service: Service) -> list[str]:
    """Names of the workers that the server has heard of lately; a dead one stays a while.

    Raises:
        NoAnswer: The server does not say.
    """
    found = service.api.find(f"work_pools/{service.pool}/workers/filter", {})
    return [str(worker["name"]) for worker in found or [] if worker.get("status") == "ONLINE"]


def find(folder: Path) -> Worker | None:
    """The folder's worker if it is alive."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ValueError):
            at, pool, server = arguments_of(process, _PROGRAM)
            if at == str(folder):
                started_at = datetime.fromtimestamp(process.create_time(), tz=UTC)
                return Worker(pid=process.pid, started_at=started_at, pool=pool, server=server)
    return None


def start(service: Service) -> Worker:
    """Start the worker; it waits for its server and work pool by itself."""
    folder, mark = service.folder, server_mark(service.url)
    defaults = (_LOCAL if service.server else {}) | _ALWAYS
    process = launch(
        _PROGRAM,
        [str(folder), service.pool, mark],
        log=folder / "worker.log",
        environ={**defaults, **service.environ, FOLDER_VARIABLE: str(folder)},
    )
    started_at = datetime.fromtimestamp(process.create_time(), tz=UTC)
    return Worker(pid=process.pid, started_at=started_at, pool=service.pool, server=mark)


def wait_until_online(worker: Worker, service: Service) -> None:
    """Return once the server has heard of the worker.

    Raises:
        CannotEvaluate: It ended before, with the end of its log, or hangs.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    log = service.folder / "worker.log"
    while not _is_online(worker, service):
        if not _is_alive(worker.pid) or time.monotonic() > deadline:
            raise CannotEvaluate(f"the worker did not start; the end of {log}:\n{log_end(log)}")
        time.sleep(_POLL_S)


def stop(folder: Path, *, announce: Callable[[str], None]) -> bool:
    """Stop the worker with its runs, and what a killed one left behind; True if there was any.

    A run that is stopped is `Crashed` in Prefect, and its evaluation goes on when it is asked
    for again.
    """
    worker, runs = find(folder), flow_processes(folder)
    if worker is not None:
        end(worker.pid, patience_s=_STOP_TIMEOUT_S)
    for process in (left := flow_processes(folder)):
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(left, timeout=_STOP_TIMEOUT_S / 3)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if worker is not None:
        announce(f"stopped the worker (process {worker.pid})")
    if runs:
        announce(
            "ended what it was running: a run cut short is Crashed in Prefect; its evaluation "
            "goes on from its finished runs when it is started again"
        )
    return worker is not None or bool(runs)


def flow_processes(folder: Path) -> list[psutil.Process]:
    """The processes below the folder's workers, living or dead."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_below = process.environ().get(FOLDER_VARIABLE) == str(folder)
            if is_below and process.pid != os.getpid() and not arguments_of(process, _PROGRAM):
                found.append(process)
    return found


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _is_online(worker: Worker, service: Service) -> bool:
    try:
        return worker_name(worker.pid) in online_workers(service)
    except NoAnswer:
        return False
