"""Asks Prefect again when its SQLite database was busy, so that a click does not fail.

For some seconds after a large run the server still writes its history. A request that reads
and then writes meanwhile is undone by SQLite at once and answered 503. Prefect's own client
asks again; the page in the browser shows an error, also to somebody who clicks `rollback`.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from assay.server.gate import Application, Message, Receive, Scope, Send

WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Before each further attempt."""

_CHANGES = ("POST", "PUT", "PATCH", "DELETE")


class Patience:
    """ASGI middleware that repeats a change which was answered 503, and so was undone.

    Args:
        application: Prefect's server.
        waits_s: Seconds before each further attempt.
    """

    def __init__(self, application: Application, *, waits_s: tuple[float, ...] = WAITS_S) -> None:
        self._application = application
        self._waits_s = waits_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] != "http" or scope["method"] not in _CHANGES:
            await self._application(scope, receive, send)
            return
        request = await _whole(receive)
        for wait_s in self._waits_s:
            answer = _Answer(send)
            try:
                await self._application(dict(scope), _replayed(request, receive), answer.take)
            except Exception:  # raised once more after its answer, for the server's log
                if not answer.was_busy:
                    raise
            if not answer.was_busy:
                return
            await asyncio.sleep(wait_s)
        await self._application(scope, _replayed(request, receive), send)


class _Answer:
    """Passes an answer on, unless it is that the database was busy."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.was_busy = False

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.was_busy = message["status"] == HTTPStatus.SERVICE_UNAVAILABLE
        if not self.was_busy:
            await self._send(message)


async def _whole(receive: Receive) -> list[Message]:
    """Every message of the request."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _replayed(request: list[Message], receive: Receive) -> Receive:
    """The request once more, and then whatever comes."""
    messages = iter(request)

    async def again() -> Message:
        message: Any = next(messages, None)
        return await receive() if message is None else message

    return again
