"""From nothing to a server that answers: begin, wait until ready, or both (ensure)."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from assay.errors import CannotEvaluate
from assay.server import process, record
from assay.server.port import listen
from assay.server.programs import log_end
from assay.server.reach import Server, is_ready, server_of
from assay.server.settings import names_a_database

LOOPBACK = "127.0.0.1"
Announce = Callable[[str], None]
Progress = Callable[[float], None]

_POLL_S = 0.25
_TELL_EVERY_S = 5.0
_START_TIMEOUT_S = 180.0


def begin(
    workspace: Path, *, announce: Announce, environ: Mapping[str, str], host: str = LOOPBACK
) -> Server:
    """Find the workspace's server or spawn one, and return without waiting for it.

    Its address holds from now on: set `client_environment(server)`, import Prefect
    while the server starts, then `wait_until_ready(server)`.

    Args:
        workspace: Folder of `assay.yaml`.
        announce: Is told, in whole sentences, when something takes time.
        environ: The environment, as `os.environ`.
        host: Address that a server started now is bound to.

    Raises:
        CannotEvaluate: The workspace cannot be written to.
        InputError: `host` is no address of this machine.
    """
    folder = record.server_folder(workspace)
    record.make_folder(folder)
    with record.locked(folder):
        running = process.find(folder)
        if running is not None and running.folder != str(folder):
            process.terminate(running)  # the workspace was moved: it looks for its files in vain
            running = None
        if running is None:
            return _spawn(folder, announce=announce, environ=environ, host=host)
        if record.read(folder) != running:
            record.write(folder, running)  # found without it: mend it, for the port's sake
        return server_of(running, folder=folder)


def wait_until_ready(server: Server, *, progress: Progress | None = None) -> Server:
    """Return `server` once its API answers.

    Args:
        server: What `begin` returned.
        progress: Called about four times a second with the seconds waited so far.

    Raises:
        CannotEvaluate: It ended while starting (with the end of its log), or hangs.
    """
    began = time.monotonic()
    while not is_ready(server, patience_s=_POLL_S):
        waited_s = time.monotonic() - began
        alive = process.find(server.folder)
        if alive is None or alive.pid != server.pid:
            raise _did_not_start(server, "stopped while it was starting")
        if waited_s > _START_TIMEOUT_S:
            raise _did_not_start(server, f"does not answer after {waited_s:.0f} s")
        if progress is not None:
            progress(waited_s)
        time.sleep(_POLL_S / 10)  # a refused connection comes back at once
    return server


def ensure(
    workspace: Path,
    *,
    announce: Announce,
    environ: Mapping[str, str],
    progress: Progress | None = None,
) -> Server:
    """`begin` and `wait_until_ready` in one: a server that answers.

    Without `progress`, `announce` is told every few seconds that it goes on.
    """
    server = begin(workspace, announce=announce, environ=environ)
    return wait_until_ready(server, progress=progress or told_now_and_then(announce))


def told_now_and_then(announce: Announce) -> Progress:
    """A `progress` that says every few seconds that the start goes on."""
    told_s = 0.0

    def tell(waited_s: float) -> None:
        nonlocal told_s
        if waited_s - told_s >= _TELL_EVERY_S:
            told_s = waited_s
            announce(f"the Prefect server is still starting ({waited_s:.0f} s)")

    return tell


def _spawn(folder: Path, *, announce: Announce, environ: Mapping[str, str], host: str) -> Server:
    new_database = not names_a_database(environ) and not (folder / "prefect.db").exists()
    if new_database:  # Prefect notes there that the database has its block types
        (folder / "home" / "memo_store.toml").unlink(missing_ok=True)
    before = record.read(folder)
    with listen(host, preferred=before.port if before else None) as listener:
        running = process.spawn(folder, listener=listener, host=host, environ=environ)
    server = server_of(running, folder=folder, started_now=True, new_database=new_database)
    how_long = (
        "the first start creates its database, which takes about 10 s"
        if new_database
        else "about 5 s"
    )
    announce(f"starting this workspace's Prefect server at {server.ui_url} ({how_long})")
    return server


def _did_not_start(server: Server, what: str) -> CannotEvaluate:
    log = server.folder / "server.log"
    return CannotEvaluate(
        f"the local Prefect server {what}; the end of {log}:\n{log_end(log)}",
        mend="read that log; then `assay server stop` and try again, or name a server of "
        "yours in PREFECT_API_URL",
    )
