"""Keeps foreign web pages out of the server, in front of Prefect's own protection.

CORS and CSRF tokens, which Prefect has, leave two ways in for a page that the user
merely visits: a host name that is made to point at 127.0.0.1 (DNS rebinding) makes
the page "same origin", and WebSockets know no CORS (`/api/events/in` could trigger
automations). So the Host header must be a loopback name, unless the server is meant
for other machines and asks for authentication; and a browser's Origin must be the
server itself. Programs send no Origin and are not concerned.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from assay.server.reach import is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gate:
    """ASGI middleware that answers 403 to what a foreign page may have sent.

    Args:
        application: What is served to all others.
        loopback_only: Whether only loopback names are accepted as Host.
    """

    def __init__(self, application: Application, *, loopback_only: bool) -> None:
        self._application = application
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or refuse, one request, WebSocket or lifespan."""
        if scope["type"] == "lifespan" or (reason := self._objection(scope)) is None:
            await self._application(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await _refuse(send, reason)

    def _objection(self, scope: Scope) -> str | None:
        headers = {name: value.decode("latin-1").lower() for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self._loopback_only and not is_loopback(_without_port(host)):
            return "this server is only reached as 127.0.0.1 or localhost"
        if origin is not None and origin.partition("://")[2] != host:
            return "this server does not answer other web sites"
        return None


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


async def _refuse(send: Send, reason: str) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": reason}).encode()})
