"""What `assay server start | stop | status` do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assay.errors import InputError
from assay.server import process, record, worker
from assay.server.lifecycle import (
    LOOPBACK,
    Announce,
    Progress,
    begin,
    told_now_and_then,
    wait_until_ready,
)
from assay.server.reach import Server, is_loopback, is_ready, server_of
from assay.server.service import worker_folder
from assay.server.settings import has_auth, require_auth


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What can be said about the workspace's server right now."""

    server: Server | None
    """None when none is running."""
    ready: bool
    """Whether its API answers."""
    started_at: datetime | None
    """UTC."""
    folder: Path
    """Where its database and log are, or would be."""


def start(
    workspace: Path,
    *,
    announce: Announce,
    environ: Mapping[str, str],
    host: str = LOOPBACK,
    progress: Progress | None = None,
) -> Server:
    """Start the server, or find it running, and say where it is.

    Args:
        workspace: Folder of `assay.yaml`.
        announce: Is told what happens.
        environ: The environment, as `os.environ`.
        host: Address to listen on; beyond loopback it demands an authentication string.
        progress: As for `wait_until_ready`.

    Raises:
        InputError: `host` is beyond loopback without an authentication string, is no
            address of this machine, or is not where the server already runs.
        CannotEvaluate: As `begin` and `wait_until_ready`.
    """
    if not is_loopback(host):
        require_auth(environ, host=host)
    server = begin(workspace, announce=announce, environ=environ, host=host)
    if not server.started_now:
        _must_be_as_asked(server, host=host, auth=has_auth(environ))
    wait_until_ready(server, progress=progress or told_now_and_then(announce))
    verb = "started" if server.started_now else "already running"
    announce(f"Prefect server {verb}: {server.ui_url} (process {server.pid})")
    return server


def stop(workspace: Path, *, announce: Announce) -> bool:
    """Stop the workspace's worker and then its server; data stay. True if a server was stopped.

    In that order, so that the runs that are stopped with the worker can say so to the server.
    """
    worker.stop(worker_folder(workspace), announce=announce)
    folder = record.server_folder(workspace)
    if not folder.is_dir():
        announce("no Prefect server of this workspace is running")
        return False
    with record.locked(folder):
        running = process.find(folder)
        if running is None:
            announce("no Prefect server of this workspace is running")
            return False
        killed = process.terminate(running)
    what = "killed, since it did not stop by itself," if killed else "stopped"
    announce(
        f"{what} the Prefect server on port {running.port} (process {running.pid}); "
        f"its data stay in {folder}"
    )
    return True


def status(workspace: Path) -> Status:
    """Whether the workspace's server runs and answers. Starts and changes nothing."""
    folder = record.server_folder(workspace)
    running = process.find(folder) if folder.is_dir() else None
    if running is None:
        return Status(server=None, ready=False, started_at=None, folder=folder)
    server = server_of(running, folder=folder)
    return Status(
        server=server,
        ready=is_ready(server, patience_s=2.0),
        started_at=datetime.fromtimestamp(running.created_at_s, tz=UTC),
        folder=folder,
    )


def _must_be_as_asked(server: Server, *, host: str, auth: bool) -> None:
    """Starting changes nothing of a server that runs: say so where it is another."""
    if server.host == host and (server.auth or not auth):
        return
    kept = "with" if server.auth else "without"
    raise InputError(
        f"this workspace's Prefect server already runs on {server.host}:{server.port}, "
        f"{kept} an authentication string",
        mend="stop it first: assay server stop",
    )
