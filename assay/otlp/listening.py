"""An endpoint for OTLP over HTTP: spans in, lines of our run log out.

    POST /v1/traces    JSON or protobuf, packed with gzip or not
    GET /status        what came and what became of it, as JSON; also at /

Whatever is sent is answered: with 200, saying how many spans were no spans, or with 4xx. Nothing
of what was sent is repeated in an answer or a message.
"""

import asyncio
import contextlib
import hmac
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from assay.otlp.body import Refused, read_body
from assay.otlp.decoding import Decoded, NotOtlp, from_json, from_protobuf
from assay.otlp.gathering import Gathering
from assay.prompts.run_log import RunLog
from assay.receivers import is_loopback

JSON, PROTOBUF = "application/json", "application/x-protobuf"
AT_ONCE = 8
"""Requests whose bodies are held at the same time."""
TICK_S = 0.5
INVALID_ARGUMENT = 3


class Listener:
    """Takes requests; writes the runs that they tell of.

    Args:
        gathering: Holds the spans of runs that are not written yet.
        log: Where runs are written.
        token: That every request has to bear; None asks for none, and is for loopback alone.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        gathering: Gathering,
        log: RunLog,
        *,
        token: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gathering, self._log, self._token, self._clock = gathering, log, token, clock
        self._counts: Counter[str] = Counter()
        self._room = asyncio.Semaphore(AT_ONCE)

    def runner(self) -> web.AppRunner:
        """The server; it writes runs while it runs, and at its end."""
        app = web.Application(middlewares=[self._guarded])
        app.router.add_post("/v1/traces", self._take)
        app.router.add_get("/status", self._status)
        app.router.add_get("/", self._status)
        app.cleanup_ctx.append(self._writing)
        # Bodies are unpacked by us: within bounds.
        return web.AppRunner(app, auto_decompress=False, access_log=None)

    def write(self) -> None:
        """Write the runs that are ready."""
        for run in self._gathering.ready(now=self._clock()):
            self._log.append(run.columns)

    def status(self) -> dict[str, Any]:
        """What came and what became of it."""
        return {
            **self._counts,
            **self._gathering.counts,
            "traces waiting": self._gathering.n_waiting,
            "lines that could not be written": self._log.lost,
        }

    async def _take(self, request: web.Request) -> web.Response:
        kind = request.content_type
        if kind not in (JSON, PROTOBUF):
            raise Refused(415, f"Content-Type is neither {JSON} nor {PROTOBUF}")
        async with self._room:
            body = await read_body(request)
            try:
                decoded = from_json(body) if kind == JSON else from_protobuf(body)
            except NotOtlp as bad:
                raise Refused(400, str(bad)) from None
            rejected = self._keep(decoded)
        return _taken(kind, rejected)

    def _keep(self, decoded: Decoded) -> int:
        """How many spans were not taken."""
        now = self._clock()
        kept = sum(self._gathering.add(span, now=now) for span in decoded.spans)
        self._counts["spans"] += len(decoded.spans) + decoded.rejected
        rejected = len(decoded.spans) - kept + decoded.rejected
        self._counts["spans rejected"] += rejected
        self.write()
        return rejected

    async def _status(self, _request: web.Request) -> web.Response:
        return web.json_response(self.status())

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self._counts["requests"] += 1
        try:
            self._admit(request)
            return await handler(request)
        except Refused as refused:
            status, problem = refused.status, str(refused)
        except web.HTTPException as refused:  # no such path, no such method
            status, problem = refused.status, refused.reason
        self._counts[f"requests refused with {status}"] += 1
        return _refusal(request.content_type, status, problem)

    def _admit(self, request: web.Request) -> None:
        if self._token is None:  # a web page that is open in a browser here is not let in
            if not is_loopback(request.url.host or ""):
                raise Refused(403, "this endpoint is for this machine alone")
            return
        scheme, _, said = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        is_it = hmac.compare_digest(said.strip().encode(), self._token.encode())
        if scheme.lower() != "bearer" or not is_it:
            raise Refused(401, "it lacks the token: Authorization: Bearer TOKEN")

    async def _writing(self, _app: web.Application) -> AsyncIterator[None]:
        ticking = asyncio.create_task(self._tick())
        yield
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
        for run in self._gathering.close():
            self._log.append(run.columns)
        self._log.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.write()


def _taken(kind: str, rejected: int) -> web.Response:
    """Success, or partial success."""
    words = "no spans: without ids or times, or too many in one trace"
    if kind == JSON:
        partial = {"rejectedSpans": str(rejected), "errorMessage": words}
        return web.json_response({"partialSuccess": partial} if rejected else {})
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service

    answer = service.ExportTraceServiceResponse()
    if rejected:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = words
    return web.Response(body=answer.SerializeToString(), content_type=PROTOBUF)


def _refusal(kind: str, status: int, problem: str) -> web.Response:
    """A google.rpc.Status, as the protocol wants it."""
    if kind != PROTOBUF:
        return web.json_response({"code": INVALID_ARGUMENT, "message": problem}, status=status)
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess

    # On the wire a Status is the same: a number in field 1, a text in field 2.
    body = ExportTracePartialSuccess(rejected_spans=INVALID_ARGUMENT, error_message=problem)
    return web.Response(status=status, body=body.SerializeToString(), content_type=PROTOBUF)
