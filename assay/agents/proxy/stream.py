"""A streamed answer: passed on as it comes, and read before the agent sees its end."""

from collections.abc import Callable
from contextlib import suppress

import aiohttp
from aiohttp import web

from assay.agents.proxy.answers import TooLong, parsed
from assay.agents.proxy.dialect import Assembly, Json
from assay.agents.proxy.events import Events
from assay.agents.proxy.responder import Answer

_GONE = (ConnectionError, aiohttp.ClientConnectionError)
"""The agent has hung up; the rest is read all the same, since it is paid for."""


class Stream:
    """One stream.

    Args:
        answer: Its beginning.
        assembly: Puts it together.
        is_hidden: Whether the agent must not see an event; None where it sees every byte.
        on_end: Told once, as soon as all has come that counts.
        keeps: Whether its bytes are kept.
    """

    def __init__(
        self,
        answer: Answer,
        assembly: Assembly,
        *,
        is_hidden: Callable[[Json], bool] | None,
        on_end: Callable[["Stream"], None],
        keeps: bool,
    ) -> None:
        self.assembly = assembly
        self.kept = bytearray()
        self._answer, self._is_hidden = answer, is_hidden
        self._on_end, self._has_ended, self._keeps = on_end, False, keeps
        self._events = Events()

    async def pass_on(self, request: web.Request, *, max_bytes: int) -> web.StreamResponse:
        """All of it.

        Raises:
            aiohttp.ClientError: It broke off; not if only what comes after its end was lost.
            TooLong: It is longer than `max_bytes`.
        """
        response = web.StreamResponse(status=self._answer.status, headers=self._answer.headers)
        with suppress(*_GONE):
            await response.prepare(request)
        size = 0
        try:
            async for chunk in self._answer.chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise TooLong
                await _write(response, self._feed(chunk))
        except (aiohttp.ClientError, OSError):
            if not self._has_ended:
                raise
        await _write(response, self._feed_rest())
        return response

    def _feed(self, chunk: bytes) -> bytes:
        """Read a piece; what of it the agent gets to see."""
        if self._keeps:
            self.kept += chunk
        shown = [event.raw for event in self._events.feed(chunk) if not self._take(event.data)]
        return chunk if self._is_hidden is None else b"".join(shown)

    def _feed_rest(self) -> bytes:
        rest = self._events.end()
        hidden = self._take(rest.data)
        self._end()
        return b"" if self._is_hidden is None or hidden else rest.raw

    def _take(self, data: str) -> bool:
        """Read one event; whether the agent must not see it."""
        if data.strip() == "[DONE]":
            self.assembly.has_ended = True
        message = parsed(data.encode(errors="replace"))
        if message is not None:
            self.assembly.take(message)
        if self.assembly.has_ended:
            self._end()
        return message is not None and self._is_hidden is not None and self._is_hidden(message)

    def _end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._on_end(self)


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    with suppress(*_GONE):
        if response.prepared and chunk:
            await response.write(chunk)
