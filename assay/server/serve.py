"""The server's own process: `python -m assay.server.serve FOLDER HOST PORT auth|open FD`.

Started by `assay.server.process` only, with its working directory and environment
ready and the listening socket inherited as descriptor FD.
"""

import gc
import importlib
import socket
import sys
from pathlib import Path

import uvicorn

from assay.server.gate import Application, Gate
from assay.server.patience import Patience
from assay.server.reach import is_loopback
from assay.server.tenancy import claim, end_with_the_folder

_SHUTDOWN_S = 5


def main(arguments: list[str]) -> None:
    """Serve until told to stop or until the folder is deleted."""
    _, host, _, _, descriptor = arguments
    with Path("serving").open("w", encoding="utf-8") as held:
        claim(held, program="Prefect server")
        end_with_the_folder(patience_s=2 * _SHUTDOWN_S)
        gc.disable()  # importing and migrating make much and drop little: a tenth quicker
        config = uvicorn.Config(
            lambda: _application(host),
            factory=True,
            log_config=None,  # Prefect sets up logging, uvicorn's included
            access_log=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        _Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.freeze()  # what was imported stays: never look through it again
        gc.enable()


def _application(host: str) -> Application:
    # By name: only this process may load Prefect, the rest of `assay` never does.
    prefect_server = importlib.import_module("prefect.server.api.server")
    return Gate(Patience(prefect_server.create_app()), loopback_only=is_loopback(host))


if __name__ == "__main__":
    main(sys.argv[1:])
