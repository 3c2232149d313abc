"""Which requests come through to Prefect, by their Host and Origin alone."""

from typing import Any

import pytest

from assay.server.gate import Gate

OWN = ["127.0.0.1:4200", "localhost:4200", "localhost:9000", "[::1]:4200", "LOCALHOST:4200"]
FOREIGN = ["evil.example", "127.0.0.1.evil.example:4200", "localhost.evil.example", "[::2]:1", ""]


async def pass_through(
    *, host: str, origin: str | None = None, kind: str = "http", loopback_only: bool = True
) -> list[Any]:
    """What is sent back; `["served"]` when the application was reached."""
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        sent.append("served")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the gate decides by the headers alone")

    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    gate = Gate(application, loopback_only=loopback_only)
    await gate({"type": kind, "headers": headers}, receive, send)
    return sent


@pytest.mark.parametrize("host", OWN)
async def test_a_program_on_this_machine_comes_through(host: str) -> None:
    """Through an SSH tunnel the port is another one."""
    assert await pass_through(host=host) == ["served"]


@pytest.mark.parametrize("host", FOREIGN)
async def test_a_name_that_was_made_to_point_here_does_not(host: str) -> None:
    """DNS rebinding makes a foreign page same-origin; only the name gives it away."""
    refused, _ = await pass_through(host=host, origin=f"http://{host}")
    assert refused["status"] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://localhost:4200"])
async def test_a_page_from_elsewhere_does_not(origin: str) -> None:
    """Localhost's pages are not 127.0.0.1's, nor are those on other ports."""
    refused, _ = await pass_through(host="127.0.0.1:4200", origin=origin)
    assert refused["status"] == 403


@pytest.mark.parametrize("host", OWN)
async def test_the_servers_own_page_comes_through(host: str) -> None:
    """The UI is served from the address that it calls."""
    assert await pass_through(host=host, origin=f"http://{host}") == ["served"]


async def test_a_web_socket_is_closed_before_it_opens() -> None:
    """CORS does not protect WebSockets at all."""
    (refused,) = await pass_through(
        host="127.0.0.1:4200", origin="http://evil.example", kind="websocket"
    )
    assert refused["type"] == "websocket.close"


async def test_a_server_for_other_machines_is_called_by_any_name() -> None:
    """It asks for a secret, which a rebound page does not have; origins still count."""
    there = {"host": "build.example", "loopback_only": False}
    assert await pass_through(**there) == ["served"]  # type: ignore[arg-type]
    assert await pass_through(**there, origin="https://build.example") == ["served"]  # type: ignore[arg-type]
    refused, _ = await pass_through(**there, origin="http://evil.example")  # type: ignore[arg-type]
    assert refused["status"] == 403
