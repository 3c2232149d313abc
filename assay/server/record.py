"""What is written down about the workspace's server, and the lock around starting it.

Everything of the server's lives in one folder, `WORKSPACE/.assay/server/`:
`server.json` (this record), `prefect.db`, `server.log` and `server.log.1` (the start
before), `home/` (Prefect's own files), `lock` (held while somebody starts or stops
it) and `serving` (held by the server itself for as long as it lives).

The record outlives the server on purpose: its port is taken again at the next start.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from assay.errors import CannotEvaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One server process, dead or alive. Holds no secret."""

    pid: int
    created_at_s: float
    """When the process was created, seconds since 1970: tells it from a reused pid."""
    host: str
    """The address it is bound to, such as 127.0.0.1 or 0.0.0.0."""
    port: int
    auth: bool
    """Whether it asks for an authentication string (which is not kept here)."""
    folder: str
    """The server's folder when it was started; another one now if that was moved."""


def server_folder(workspace: Path) -> Path:
    """Absolute path of the server's folder in `workspace`, which need not exist."""
    return workspace.resolve() / ".assay" / "server"


def make_folder(folder: Path) -> None:
    """Create the folder, hidden from git.

    Raises:
        CannotEvaluate: The workspace cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise CannotEvaluate(
            f"cannot keep the local Prefect server's data in {folder}: {error.strerror}",
            mend="make the workspace writable, or name a server of yours in PREFECT_API_URL",
        ) from error


def read(folder: Path) -> Record | None:
    """The record, or None where there is none or what is there is not one."""
    try:
        found = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        return Record(
            pid=int(found["pid"]),
            created_at_s=float(found["created_at_s"]),
            host=str(found["host"]),
            port=int(found["port"]),
            auth=bool(found["auth"]),
            folder=str(found["folder"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # as good as absent: the running process is found without it


def write(folder: Path, record: Record) -> None:
    """Replace the record in one step, so that nobody reads half of it."""
    draft = folder / "server.json.new"
    draft.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / "server.json")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait for, then hold, the right to start or stop this folder's server.

    The kernel gives the lock back when its holder dies, however it dies.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
