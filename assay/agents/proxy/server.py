"""The proxy's server: on loopback only, each run behind a token that nobody can guess."""

import asyncio
import json
import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from assay.agents.proxy.answers import error_response, parsed
from assay.agents.proxy.anthropic_messages import AnthropicMessages
from assay.agents.proxy.counted import CountedRun, Spent
from assay.agents.proxy.dialect import Dialect, Json
from assay.agents.proxy.exchange import Exchange
from assay.agents.proxy.openai_chat import OpenAIChat
from assay.agents.proxy.openai_responses import OpenAIResponses
from assay.agents.proxy.responder import Asked, Responder
from assay.agents.proxy.unread import Unread, generates
from assay.models.upstream import Upstream
from assay.proxy_section import ProxySection
from assay.records import StopReason

LOGGER = logging.getLogger("assay.proxy")
BUDGET_EXCEEDED = "budget_exceeded"
MAX_REQUEST_BYTES = 20_000_000
GRACE_S = 2.0
"""For the ends of streams whose agent did not wait for them."""
_TOKEN_BYTES = 24
_DIALECTS: dict[str, Dialect] = {
    "/chat/completions": OpenAIChat(),
    "/responses": OpenAIResponses(),
    "/messages": AnthropicMessages(),
}
UNREAD: Dialect = Unread()
_CUT = r"/|%2f|\\|%5c"
_CLIMBS = re.compile(rf"(?:^|{_CUT})(?:\.|%2e){{1,2}}(?:$|{_CUT})", re.IGNORECASE)
"""A path that leads out of the base address."""


@dataclass(slots=True, eq=False)
class OpenRun:
    """A run that requests may come for."""

    counted: CountedRun
    base_url: str
    """What the agent's client takes for its provider."""
    requests: set[asyncio.Task[web.StreamResponse]] = field(default_factory=set)
    has_timed_out: bool = False
    """Whether nothing is waited for any more."""
    is_over: bool = False


class Proxy:
    """Serves every run of an evaluation, in its own event loop.

    Args:
        section: Of the configuration.
        responder: Who answers.
        max_attempts: Requests for one answer, counting the first.
        upstream_of: How the provider is to be asked for a model.
    """

    def __init__(
        self,
        section: ProxySection,
        *,
        responder: Responder,
        max_attempts: int,
        upstream_of: Callable[[str], Upstream],
    ) -> None:
        self._section, self._responder = section, responder
        self._max_attempts, self._upstream_of = max_attempts, upstream_of
        self._runs: dict[str, OpenRun] = {}
        self._hosts: frozenset[str] = frozenset()
        self._origin = ""
        provider = AnthropicMessages() if section.provider == "anthropic" else OpenAIChat()
        self._own_dialect: Dialect = provider

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Proxy"]:
        """Listen on a free port until the block ends."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_route("*", "/runs/{token}{path:/.*}", self._handle)
        # The address is a secret, so that no log may have it.
        runner = web.AppRunner(app, access_log=None, logger=_unheard(), shutdown_timeout=GRACE_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
            self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
            self._origin = f"http://127.0.0.1:{port}"
            yield self
        finally:
            await runner.cleanup()

    @property
    def nowhere(self) -> str:
        """A base URL that belongs to no run: whoever uses it is told so."""
        return self._base_url("none")

    @asynccontextmanager
    async def opened(self, counted: CountedRun) -> AsyncIterator[OpenRun]:
        """Take requests for one run until the block ends."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        run = self._runs[token] = OpenRun(counted, self._base_url(token))
        try:
            yield run
            if run.requests and not run.has_timed_out:
                await asyncio.wait(run.requests, timeout=GRACE_S)
        finally:
            run.is_over = True
            del self._runs[token]
            left = list(run.requests)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _base_url(self, token: str) -> str:
        version = "" if self._section.provider == "anthropic" else "/v1"
        return f"{self._origin}/runs/{token}{version}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.host not in self._hosts:
            return self._no(HTTPStatus.MISDIRECTED_REQUEST, "not a name of this server")
        if (run := self._runs.get(request.match_info["token"])) is None:
            return self._no(
                HTTPStatus.NOT_FOUND, "no run has this base URL: use the one that the run is given"
            )
        task = asyncio.create_task(self._answer(run, request))
        run.requests.add(task)
        task.add_done_callback(run.requests.discard)
        try:
            return await task
        except asyncio.CancelledError:
            if run.is_over:
                return self._no(HTTPStatus.NOT_FOUND, "the run is over")
            raise
        except (ConnectionError, RequestPayloadError):
            return self._no(HTTPStatus.BAD_REQUEST, "the request did not come in whole")
        except Exception as bug:  # ours, and never the prompt's
            LOGGER.exception("a bug in the proxy")
            run.counted.fail(f"the proxy itself failed ({type(bug).__name__})")
            return self._no(HTTPStatus.INTERNAL_SERVER_ERROR, "the proxy itself failed")

    async def _answer(self, run: OpenRun, request: web.Request) -> web.StreamResponse:
        path = self._path_below(request)
        if _CLIMBS.search(path):
            return self._no(HTTPStatus.BAD_REQUEST, "not a path of the API")
        counts = generates(request.method, path)
        dialect = _DIALECTS.get(path.removeprefix("/v1"), UNREAD) if counts else UNREAD
        run.counted.seen += counts
        if run.counted.stop is not None:  # before the body is read: it is cheap to refuse
            return self._spent(dialect, run.counted.stop)
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._no(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too long")
        body = parsed(content)
        if body is None and dialect is not UNREAD:
            return self._no(HTTPStatus.BAD_REQUEST, "the body is no JSON object")
        sent_on = partial(_asked, request, path, content if dialect is UNREAD else None)
        exchange = Exchange(
            run=run.counted,
            responder=self._responder,
            dialect=dialect,
            request=request,
            body=body or {},
            asked=sent_on,
            counts=counts,
            max_attempts=self._max_attempts,
            upstream_of=self._upstream_of,
        )
        try:
            return await exchange.pass_on()
        except Spent as spent:
            return self._spent(dialect, spent.stop_reason)

    def _path_below(self, request: web.Request) -> str:
        """The path as the provider's base address is continued by it."""
        path = "/" + request.rel_url.raw_path.split("/", 3)[3]
        return path.removeprefix("/v1") if self._section.provider == "openai" else path

    def _spent(self, dialect: Dialect, stop_reason: StopReason) -> web.Response:
        words = f"the run has used up its budget: {stop_reason}"
        shape = self._own_dialect if dialect is UNREAD else dialect
        return error_response(shape, HTTPStatus.TOO_MANY_REQUESTS, BUDGET_EXCEEDED, words)

    def _no(self, status: int, words: str) -> web.Response:
        return error_response(self._own_dialect, status, "proxy", words)


def _unheard() -> logging.Logger:
    """For what the server says of agents that hang up or send rubbish: nobody wants to hear it."""
    logger = logging.getLogger("assay.proxy.connections")
    logger.disabled = True
    return logger


def _asked(request: web.Request, path: str, content: bytes | None, body: Json) -> Asked:
    """The request as it is sent on: its content, or the body that may have been changed."""
    query = request.rel_url.raw_query_string
    return Asked(
        method=request.method,
        path=f"{path}?{query}" if query else path,
        headers=request.headers,
        content=json.dumps(body).encode() if content is None else content,
    )
