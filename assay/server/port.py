"""A free port for the server, the same as last time when it can be had."""

import errno
import socket

from assay.errors import InputError

PREFECT_PORT = 4200
"""Where Prefect users look first."""


def listen(host: str, *, preferred: int | None) -> socket.socket:
    """A listening socket on the preferred port, else 4200, else any free one.

    It listens at once, so that from here on nobody else can take the port; the server
    inherits the socket instead of a number that may be gone when it gets to it.

    Raises:
        InputError: This machine has no address `host`.
    """
    for port in (preferred, PREFECT_PORT, 0):
        if port is not None and (listener := _try_port(host, port)):
            return listener
    raise InputError(f"no free port on {host}", mend="end some of the programs that listen there")


def _try_port(host: str, port: int) -> socket.socket | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_such_host(host) from error
    try:
        # The connections of the server before may still be winding down on this port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise _no_such_host(host) from error
    return listener


def _no_such_host(host: str) -> InputError:
    return InputError(
        f"this machine has no address {host!r} to listen on",
        mend="name one that it has, such as 127.0.0.1 or 0.0.0.0",
    )
