"""Where a server listens."""

import socket

import pytest

from assay.errors import InputError
from assay.server.port import listen


def test_the_preferred_port_is_taken_again() -> None:
    """Bookmarks into the UI live on, even while the last connections wind down."""
    with listen("127.0.0.1", preferred=None) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as caller:
            first.accept()[0].close()  # closed from this side first: the port lingers
            assert caller.recv(1) == b""
    with listen("127.0.0.1", preferred=port) as again:
        assert again.getsockname()[1] == port


def test_a_taken_port_is_left_to_its_owner() -> None:
    """Other projects use 4200 too."""
    with listen("127.0.0.1", preferred=None) as first:
        port = first.getsockname()[1]
        with listen("127.0.0.1", preferred=port) as second:
            assert second.getsockname()[1] != port


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host.invalid", "256.1.1.1"])
def test_an_address_that_is_not_this_machines_is_refused(host: str) -> None:
    """A typing error in --host is the user's to mend, not a traceback."""
    with pytest.raises(InputError, match="has no address"):
        listen(host, preferred=None)
