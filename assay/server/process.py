"""The server's process: spawned, recognised and ended.

A process is ours when it runs `assay.server.serve` in this very folder: a reused
pid, a copied workspace and a lost record cannot mislead, and nothing else is ever
signalled.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from assay.server.programs import arguments_of, end, launch
from assay.server.record import Record, read, write
from assay.server.settings import has_auth, server_environment

_PROGRAM = "assay.server.serve"
_EXEC_TIMEOUT_S = 5.0
_CLOCK_SLACK_S = 2.0
"""A process's creation time is counted from boot and moves when the clock is set."""


def spawn(
    folder: Path, *, listener: socket.socket, host: str, environ: Mapping[str, str]
) -> Record:
    """Start the server on an already listening socket and write down that it runs."""
    port = listener.getsockname()[1]
    arguments = [str(folder), host, str(port), "auth" if has_auth(environ) else "open"]
    spawned = launch(
        _PROGRAM,
        [*arguments, str(listener.fileno())],
        log=folder / "server.log",
        environ=server_environment(environ, folder=folder, host=host, port=port),
        pass_fds=(listener.fileno(),),
    )
    _until_recognised(spawned, folder)
    record = _described(spawned, arguments)
    write(folder, record)
    return record


def find(folder: Path) -> Record | None:
    """The folder's server if one is alive, whether or not the record knows of it."""
    record = read(folder)
    if record is not None:
        with suppress(psutil.Error):
            process = psutil.Process(record.pid)
            moved_s = abs(process.create_time() - record.created_at_s)
            if moved_s < _CLOCK_SLACK_S and _serves(process, folder):
                return record
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if _serves(process, folder):
                return _described(process, arguments_of(process, _PROGRAM))
    return None


def terminate(record: Record, *, patience_s: float = 15.0) -> bool:
    """End a process that `find` has just returned; True if it had to be killed."""
    return end(record.pid, patience_s=patience_s)


def _until_recognised(spawned: psutil.Process, folder: Path) -> None:
    """Wait out the moment after exec in which the kernel shows no command line yet.

    Whoever looked for the server just then would not see it, and start another.
    """
    with suppress(psutil.Error):  # it is dead already: the caller will find that out
        deadline = time.monotonic() + _EXEC_TIMEOUT_S
        while not _serves(spawned, folder) and time.monotonic() < deadline:
            time.sleep(0.001)


def _described(process: psutil.Process, arguments: Sequence[str]) -> Record:
    folder, host, port, auth = arguments[:4]
    return Record(
        pid=process.pid,
        created_at_s=process.create_time(),
        host=host,
        port=int(port),
        auth=auth == "auth",
        folder=folder,
    )


def _serves(process: psutil.Process, folder: Path) -> bool:
    arguments = arguments_of(process, _PROGRAM)
    if not arguments:
        return False
    try:
        return Path(process.cwd()).samefile(folder)
    except psutil.AccessDenied:
        return arguments[0] == str(folder)  # another user's: their folder is not shown
    except OSError:
        return False  # it runs in a folder that is gone
