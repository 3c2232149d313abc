"""One request of an agent's: let in, changed where it must be, answered, counted, passed on."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import aiohttp
from aiohttp import web
from pydantic_ai.exceptions import ModelHTTPError

from assay.agents.answer import MAX_REFUSAL_BYTES
from assay.agents.protocol import MAX_ERROR_CHARS
from assay.agents.proxy.answers import (
    NOT_AGAIN,
    HungUp,
    Refused,
    TooLong,
    content_type,
    error_response,
    parsed,
    read_all,
)
from assay.agents.proxy.counted import NO_PLACE, CountedRun, Place
from assay.agents.proxy.dialect import Dialect, Json
from assay.agents.proxy.reading import text_of
from assay.agents.proxy.responder import Answer, Asked, Responder
from assay.agents.proxy.stream import Stream
from assay.agents.proxy.taped import Lost
from assay.models.endpoint import MAX_ANSWER_BYTES
from assay.models.retries import is_infrastructure, with_retries
from assay.models.upstream import CHARS_PER_TOKEN, Upstream
from assay.store.tape import Request, Unanswered

_EVENT_STREAM = "text/event-stream"
NOT_RECORDED = "not_recorded"


class Got(NamedTuple):
    """What came of one try."""

    answer: Answer
    content: bytes | None
    """None for a stream, which is still to come."""
    message: Json


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request under way."""

    run: CountedRun
    responder: Responder
    dialect: Dialect
    request: web.Request
    body: Json
    """What the request is in JSON, as far as it is."""
    asked: Callable[[Json], Asked]
    """The request as it is sent on, of its body."""
    counts: bool
    """Whether it is for a model's answer."""
    max_attempts: int
    upstream_of: Callable[[str], Upstream]
    """How the provider is to be asked for a model."""
    _request: Request = field(default_factory=dict)
    """What the agent asks, as a record has it."""
    _tries: int = 1
    _place: Place = NO_PLACE
    _hides: bool = False
    """Whether the agent must not see what we have asked for in its name."""
    _lost: str = "no answer"
    """What broke the answer."""
    _was_sent: bool = False
    _was_counted: bool = False

    async def pass_on(self) -> web.StreamResponse:
        """Answer the agent.

        Raises:
            Spent: A budget is used up.
        """
        if not self.counts:
            self._print()
            return await self._answered()
        wanted, least = self.dialect.wanted_output(self.body), self.dialect.least_output(self.body)
        async with self.run.place(self._model, wanted, least=least) as self._place:
            self._change()
            try:
                return await self._answered()
            finally:
                if self._was_sent and not self._was_counted:
                    self._lose()

    @property
    def _model(self) -> str:
        return text_of(self.body.get("model"))

    def _change(self) -> None:
        """Put the prompt and the limits in."""
        if self.run.injects:
            self.dialect.inject(self.body, self.run.prompt)
        self._print()
        if self._place.most_output is not None:
            most, host = self._place.most_output, self.responder.host
            self.dialect.limit_output(self.body, most, host=host)
        self._hides = self.dialect.ask_for_usage(self.body)

    def _print(self) -> None:
        """Look at the request before limits, which hang on what others have used, are in it."""
        if self.run.taped is not None:
            self._request = self.run.taped.asked(self.asked(self.body))

    async def _answered(self) -> web.StreamResponse:
        asked = self.asked(self.body)
        async with AsyncExitStack() as open_answer:
            try:
                got, self._tries = await with_retries(
                    lambda: self._ask(asked, open_answer),
                    attempts=self.max_attempts,
                    waiting=self.run.watch.waiting,
                    upstream=self._upstream(asked),
                    on_try=self.run.count_try,
                )
                self._tries = max(self._tries, got.answer.attempts)
                self.run.count_try(self._tries)
                if got.content is None:
                    return await self._streamed(got.answer)
            except Refused as refused:
                return self._refused(refused)
            except Unanswered as missing:
                return self._unanswered(missing)
            except HungUp:
                return web.Response(status=408)
            except (aiohttp.ClientError, OSError, TooLong, Lost) as error:
                return self._failed(error)
            self._count(got.answer, got.content, got.message)
            headers = got.answer.headers
            return web.Response(status=got.answer.status, headers=headers, body=got.content)

    def _upstream(self, asked: Asked) -> Upstream:
        """How the provider is to be asked; what a stream has used stays the estimate."""
        upstream = self.upstream_of(self._model) if self.counts else Upstream()
        estimate = len(asked.content) // CHARS_PER_TOKEN
        return replace(upstream, tokens=estimate, used=self._tokens)

    def _tokens(self, got: "Got") -> int | None:
        usage = self.dialect.read(got.message).usage
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        return usage.input_tokens + usage.output_tokens

    async def _ask(self, asked: Asked, stack: AsyncExitStack) -> "Got":
        """Ask once; an answer that is no stream is read to its end."""
        await stack.aclose()  # what an earlier try has left open
        if self.request.transport is None or self.request.transport.is_closing():
            raise HungUp
        self._was_sent = True
        try:
            answer = self._from_record()
            if answer is None:
                answer = await stack.enter_async_context(self.responder.answer(asked))
            if answer.status >= 300:
                said = await read_all(answer, MAX_REFUSAL_BYTES) or b""
                raise Refused(answer, self.responder.safe(said))
            if content_type(answer) == _EVENT_STREAM:
                return Got(answer, None, {})
            content = await read_all(answer, MAX_ANSWER_BYTES)
        except (ModelHTTPError, aiohttp.ClientError, OSError, Unanswered):
            self._was_sent = False
            raise
        except Lost as lost:
            self._was_sent = lost.was_sent
            raise
        if content is None:
            raise TooLong
        return Got(answer, self.responder.safe(content), parsed(content) or {})

    def _from_record(self) -> Answer | None:
        """What a record answers; None where the provider is to be asked."""
        return None if self.run.taped is None else self.run.taped.answer(self._request)

    async def _streamed(self, answer: Answer) -> web.StreamResponse:
        """Pass a stream on; one that breaks off breaks off for the agent, too."""

        def count(stream: Stream) -> None:
            self._count(answer, self.responder.safe(bytes(stream.kept)), stream.assembly.message)
            if stream.assembly.has_failed:
                self.run.fail("it failed within the stream")

        stream = Stream(
            answer,
            self.dialect.assembly(),
            is_hidden=self.dialect.is_usage_only if self._hides else None,
            on_end=count,
            keeps=self.run.taped is not None,
        )
        try:
            return await stream.pass_on(self.request, max_bytes=MAX_ANSWER_BYTES)
        except (aiohttp.ClientError, OSError, TooLong):
            if self.request.transport is not None:
                self.request.transport.abort()
            raise

    def _count(self, answer: Answer, content: bytes, message: Json) -> None:
        """Count the answer, and keep it."""
        self._was_counted = True
        self._keep(answer, content)
        if self.counts:
            self.run.count(self._place, self._model, self.dialect.read(message))

    def _lose(self) -> None:
        """The answer did not come in whole: what it has used is unknown."""
        self.run.count_lost(self._place, self._model)
        self._keep_lost(was_sent=True)

    def _keep_lost(self, *, was_sent: bool) -> None:
        if self.run.taped is not None:
            self.run.taped.keep_lost(self._request, self._lost, was_sent=was_sent)

    def _keep(self, answer: Answer, content: bytes) -> None:
        if self.run.taped is not None:
            self.run.taped.keep(self._request, answer, content, attempts=self._tries)

    def _unanswered(self, missing: Unanswered) -> web.Response:
        """The record that is replayed does not say what would have been answered."""
        self.run.missing = self.run.missing or missing
        return error_response(self.dialect, 400, NOT_RECORDED, str(missing))

    def _refused(self, refused: Refused) -> web.Response:
        self._keep(refused.answer, refused.content)
        if is_infrastructure(refused):
            words = f"HTTP {refused.status_code}: {refused.body}"[:MAX_ERROR_CHARS]
            self.run.fail(words, counts=self.counts)
        status = refused.status_code if refused.status_code >= 400 else 502
        headers = {**refused.answer.headers, **NOT_AGAIN}
        return web.Response(status=status, headers=headers, body=refused.content)

    def _failed(self, error: Exception) -> web.Response:
        """An answer that did not come, or not to its end."""
        if not self._was_counted:  # else only what comes after the end was lost
            # its own words hold the address
            self._lost = error.name if isinstance(error, Lost) else type(error).__name__
            self.run.fail(f"no whole answer ({self._lost})", counts=self.counts)
            if not (self._was_sent and self.counts):
                self._keep_lost(was_sent=False)
        words = "the provider does not answer, or not to the end"
        return error_response(self.dialect, 502, "provider_unreachable", words)
