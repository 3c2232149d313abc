"""Another port for a server, as `ssh -L` makes one: bytes go through, nothing is rewritten."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def forwarded(to_port: int) -> Iterator[int]:
    """A port on this machine whose connections end at `to_port`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, to_port), daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):  # wakes the thread that waits for the next connection
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, to_port: int) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", to_port))
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
