"""One request of an agent's: let in, changed where it must be, answered, counted, passed on."""

import json
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from pydantic_ai.exceptions import ModelHTTPError

from assay.agents.answer import MAX_ERROR_CHARS
from assay.agents.proxy.counted import NO_PLACE, CountedRun, Place
from assay.agents.proxy.dialect import Dialect, Json, Reply
from assay.agents.proxy.events import Events
from assay.agents.proxy.reading import text_of
from assay.agents.proxy.upstream import Answer, Asked, Upstream
from assay.hostile import Undecided, parsed_json
from assay.models.endpoint import MAX_ANSWER_BYTES
from assay.models.retries import is_infrastructure, with_retries
from assay.wording import cut, one_line

MAX_REFUSAL_BYTES = 65_536
MAX_QUOTED_CHARS = 300
NOT_AGAIN = {"x-should-retry": "false"}
"""Official clients then make no attempt of their own: one layer of retries is enough."""
BUDGET_EXCEEDED = "budget_exceeded"
_EVENT_STREAM = "text/event-stream"
_TELLING_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back for one request, for whoever keeps it."""

    status: int
    content_type: str
    content: bytes
    """As it came, streams with their events."""
    message: Json
    """The whole answer, streams put together again."""


OnExchange = Callable[[Asked, Answered], None]
"""Told of every answer that is counted."""


class TooLong(Exception):
    """The answer is longer than is read."""


class HungUp(Exception):
    """The agent does not wait for an answer any more, so that none is asked for."""


class Refused(ModelHTTPError):
    """The provider refused; what it said is passed on, if no other try helps.

    Args:
        answer: Its status and headers.
        content: What it said, without secrets.
    """

    def __init__(self, answer: Answer, content: bytes) -> None:
        low = {name.lower(): value for name, value in answer.headers.items()}
        told = {name: low[name] for name in _TELLING_HEADERS if name in low}
        words = one_line(content.decode(errors="replace").strip(), max_chars=MAX_QUOTED_CHARS + 1)
        super().__init__(answer.status, "model", cut(words, MAX_QUOTED_CHARS), headers=told)
        self.answer, self.content = answer, content


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request under way."""

    run: CountedRun
    upstream: Upstream
    dialect: Dialect
    asked: Callable[[int | None, Json], Asked]
    """The request as it is sent on, of its number and its body."""
    counts: bool
    """Whether it is for a model's answer."""
    max_attempts: int
    on_exchange: OnExchange | None
    was_sent: bool = False
    was_counted: bool = False

    async def pass_on(self, request: web.Request, body: Json) -> web.StreamResponse:
        """Answer the agent.

        Args:
            request: The agent's.
            body: What it is in JSON, as far as it is.

        Raises:
            Spent: A budget is used up.
        """
        model = text_of(body.get("model"))
        if not self.counts:
            return await self._answered(request, body, model, NO_PLACE, hides=False)
        self.run.use_model(model)
        dialect = self.dialect
        wanted, least = dialect.wanted_output(body), dialect.least_output(body)
        async with self.run.place(wanted, least=least) as place:
            hides = self._change(body, place)
            try:
                return await self._answered(request, body, model, place, hides=hides)
            finally:
                if self.was_sent and not self.was_counted:
                    self.run.count_lost(place, model)

    def _change(self, body: Json, place: Place) -> bool:
        """Put the limits and the prompt in; whether an event is to be kept from the agent."""
        if place.most_output is not None:
            self.dialect.limit_output(body, place.most_output, host=self.upstream.host)
        if self.run.injects:
            self.dialect.inject(body, self.run.prompt)
        return self.dialect.ask_for_usage(body)

    async def _answered(
        self, request: web.Request, body: Json, model: str, place: Place, *, hides: bool
    ) -> web.StreamResponse:
        asked = self.asked(place.step, body)
        async with AsyncExitStack() as open_answer:
            try:
                (answer, content), tries = await with_retries(
                    lambda: self._ask(request, asked, open_answer),
                    attempts=self.max_attempts,
                    waiting=self.run.watch.waiting,
                )
            except Refused as refused:
                return self._refused(refused)
            except (aiohttp.ClientError, OSError) as error:
                return self._unreachable(error)
            except HungUp:
                return web.Response(status=408)
            except TooLong:
                self.run.fail("its answer is too long", counts=self.counts)
                return self._said(502, "answer_too_long", "the provider's answer is too long")
            self.run.attempts = max(self.run.attempts, tries)
            if content is None:
                stream = _Stream(self, asked, answer, model, place, hides=hides)
                return await stream.pass_on(request)
            self._read(asked, answer, content, model, place)
            return web.Response(status=answer.status, headers=answer.headers, body=content)

    async def _ask(
        self, request: web.Request, asked: Asked, stack: AsyncExitStack
    ) -> tuple[Answer, bytes | None]:
        """Ask once; an answer that is no stream is read to its end."""
        await stack.aclose()  # what an earlier try has left open
        if request.transport is None or request.transport.is_closing():
            raise HungUp
        self.was_sent = True
        try:
            answer = await stack.enter_async_context(self.upstream.answer(asked))
            if answer.status >= 300:
                said = await _read(answer, MAX_REFUSAL_BYTES) or b""
                raise Refused(answer, self.upstream.safe(said))
            if _is_stream(answer):
                return answer, None
            content = await _read(answer, MAX_ANSWER_BYTES)
        except (ModelHTTPError, aiohttp.ClientError, OSError):
            self.was_sent = False
            raise
        if content is None:
            raise TooLong
        return answer, self.upstream.safe(content)

    def _read(self, asked: Asked, answer: Answer, content: bytes, model: str, place: Place) -> None:
        message = parsed(content) or {}
        self._count(place, model, self.dialect.read(message))
        self.tell(asked, answer, content, message)

    def _count(self, place: Place, model: str, reply: Reply) -> None:
        self.was_counted = True
        if self.counts:
            self.run.count(place, model, reply)

    def tell(self, asked: Asked, answer: Answer, content: bytes, message: Json) -> None:
        """Hand the exchange to whoever keeps it."""
        if self.on_exchange is not None and self.counts:
            kind = _content_type(answer)
            told = Answered(
                status=answer.status, content_type=kind, content=content, message=message
            )
            self.on_exchange(asked, told)

    def _refused(self, refused: Refused) -> web.Response:
        if is_infrastructure(refused):
            words = f"HTTP {refused.status_code}: {refused.body}"[:MAX_ERROR_CHARS]
            self.run.fail(words, counts=self.counts)
        status = refused.status_code if refused.status_code >= 400 else 502
        headers = {**refused.answer.headers, **NOT_AGAIN}
        return web.Response(status=status, headers=headers, body=refused.content)

    def _unreachable(self, error: Exception) -> web.Response:
        words = f"no answer ({type(error).__name__})"  # its own words hold the address
        self.run.fail(words, counts=self.counts)
        return self._said(502, "provider_unreachable", "the provider does not answer")

    def _said(self, status: int, code: str, words: str) -> web.Response:
        return error_response(self.dialect, status, code, words)


class _Stream:
    """A streamed answer: passed on as it comes, counted before the agent sees its end."""

    def __init__(
        self,
        exchange: Exchange,
        asked: Asked,
        answer: Answer,
        model: str,
        place: Place,
        *,
        hides: bool,
    ) -> None:
        self._exchange, self._asked, self._answer = exchange, asked, answer
        self._model, self._place, self._hides = model, place, hides
        self._events = Events()
        self._assembly = exchange.dialect.assembly()
        self._kept: list[bytes] | None = None if exchange.on_exchange is None else []

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """All of it; a stream that breaks off breaks off for the agent, too."""
        response = web.StreamResponse(status=self._answer.status, headers=self._answer.headers)
        await response.prepare(request)
        size, run = 0, self._exchange.run
        try:
            async for chunk in self._answer.chunks:
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    raise TooLong
                await _write(response, self._feed(chunk))
            await _write(response, self._end())
        except (aiohttp.ClientError, OSError, TooLong) as error:
            words = f"the stream broke off ({type(error).__name__})"
            run.fail(words, counts=self._exchange.counts)
            if request.transport is not None:
                request.transport.abort()
        return response

    def _feed(self, chunk: bytes) -> bytes:
        if self._kept is not None:
            self._kept.append(chunk)
        events = list(self._events.feed(chunk))
        hidden = {number for number, event in enumerate(events) if self._take(event.data)}
        if not self._hides:
            return chunk
        return b"".join(each.raw for number, each in enumerate(events) if number not in hidden)

    def _end(self) -> bytes:
        rest = self._events.end()
        hidden = self._take(rest.data)
        self._settle()
        return rest.raw if self._hides and not hidden else b""

    def _take(self, data: str) -> bool:
        """Read one event; whether the agent is not to see it."""
        if data.strip() == "[DONE]":
            self._assembly.has_ended = True
        message = parsed(data.encode()) if data else None
        if message is not None:
            self._assembly.take(message)
        if self._assembly.has_ended:
            self._settle()
        return (
            message is not None and self._hides and (self._exchange.dialect.is_usage_only(message))
        )

    def _settle(self) -> None:
        """Count what has come; once."""
        exchange = self._exchange
        if exchange.was_counted:
            return
        message = self._assembly.message
        exchange._count(self._place, self._model, exchange.dialect.read(message))
        if self._assembly.has_failed:
            exchange.run.fail("it failed within the stream")
        exchange.tell(self._asked, self._answer, b"".join(self._kept or ()), message)


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    with suppress(ConnectionError, aiohttp.ClientConnectionError):  # gone: what it costs is counted
        await response.write(chunk)


async def _read(answer: Answer, max_bytes: int) -> bytes | None:
    content = bytearray()
    async for chunk in answer.chunks:
        content += chunk
        if len(content) > max_bytes:
            return None
    return bytes(content)


def _content_type(answer: Answer) -> str:
    low = {name.lower(): value for name, value in answer.headers.items()}
    return low.get("content-type", "").partition(";")[0].strip().lower()


def _is_stream(answer: Answer) -> bool:
    return _content_type(answer) == _EVENT_STREAM


def parsed(content: bytes) -> dict[str, Any] | None:
    """A JSON object, or None."""
    try:
        value = parsed_json(content.decode())
    except (ValueError, Undecided):
        return None
    return value if isinstance(value, dict) else None


def error_response(dialect: Dialect, status: int, code: str, words: str) -> web.Response:
    """An error in the provider's shape, that its clients do not try again."""
    text = json.dumps(dialect.refusal(code, words))
    return web.Response(
        status=status, headers=NOT_AGAIN, text=text, content_type="application/json"
    )
