"""What a caller needs to reach a server, and asking it whether it is ready."""

import http.client
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from assay.server.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The workspace's server, running or on its way up."""

    url: str
    """Of the API, as `PREFECT_API_URL` wants it."""
    ui_url: str
    """What to open in a browser."""
    host: str
    """What it is bound to: 127.0.0.1, or 0.0.0.0 for every address."""
    address: str
    """Host name or address under which this machine reaches it."""
    port: int
    pid: int
    auth: bool
    """Whether it asks for an authentication string."""
    folder: Path
    """Its database, log and record: `WORKSPACE/.assay/server`."""
    started_now: bool
    """Whether this very call started it."""
    new_database: bool
    """Whether it is making its database first, which takes some seconds more."""


def server_of(
    record: Record, *, folder: Path, started_now: bool = False, new_database: bool = False
) -> Server:
    """How to reach the process that `record` describes."""
    address = _nearest_address(record.host)
    ui_url = f"http://{f'[{address}]' if ':' in address else address}:{record.port}"
    return Server(
        url=f"{ui_url}/api",
        ui_url=ui_url,
        host=record.host,
        address=address,
        port=record.port,
        pid=record.pid,
        auth=record.auth,
        folder=folder,
        started_now=started_now,
        new_database=new_database,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_ready(server: Server, *, patience_s: float) -> bool:
    """Whether the API answers within `patience_s`. Asks directly, past any proxy.

    While the server is starting its port already takes connections and lets them
    wait, so that a patient caller hears of its being ready at once.
    """
    connection = http.client.HTTPConnection(server.address, server.port, timeout=patience_s)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _nearest_address(host: str) -> str:
    """`host` itself, or loopback when it stands for every address of this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
