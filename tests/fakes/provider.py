"""A real HTTP server that speaks the APIs of OpenAI and Anthropic, and counts what it is asked.

`async with Provider(lambda body: Turn("hi")) as provider: ... provider.origin`. What it has
counted is its own: no code under test has a part in it.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

Json = dict[str, Any]
Fault = Literal["reset", "hang", "cut", "late"]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What it answers to one request."""

    text: str | None = None
    calls: tuple[tuple[str, Json], ...] = ()
    tokens: tuple[int, int] | None = (100, 20)
    """Input and output; None tells no usage."""
    cached: int = 0
    """Of the input."""
    reasoning: int = 0
    """Of the output; Anthropic does not tell it."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """These bytes, whatever is asked."""
    fault: Fault | None = None
    """`reset`: no answer; `hang`: never; `cut`: half a stream; `late`: lost after it."""


@dataclass
class Counted:
    """What was asked and told, in all."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    tool_calls: int = 0
    by_tool: dict[str, int] = field(default_factory=dict)

    def add(self, turn: Turn) -> None:
        self.requests += 1
        given, made = turn.tokens or (0, 0)
        self.input_tokens += given
        self.output_tokens += made
        self.cached_tokens += turn.cached
        self.reasoning_tokens += turn.reasoning
        self.tool_calls += len(turn.calls)
        for name, _ in turn.calls:
            self.by_tool[name] = self.by_tool.get(name, 0) + 1


@dataclass(frozen=True)
class Asked:
    path: str
    headers: Mapping[str, str]
    body: Json


class Provider:
    """Gives each request the turn that it is told to.

    Args:
        turn_for: From the request's body to the answer.
    """

    def __init__(self, turn_for: Callable[[Json], Turn]) -> None:
        self._turn_for = turn_for
        self.asked: list[Asked] = []
        self.counted = Counted()
        self.origin = ""

    async def __aenter__(self) -> Self:
        self._closing, self.hangs, self.is_free = (asyncio.Event() for _ in range(3))
        app = web.Application(client_max_size=100_000_000)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1/responses", self._answer)
        app.router.add_post("/v1/messages", self._answer)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_post("/v1/completions", self._embed)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "m"}]}, headers={"Set-Cookie": "who=you"})

    async def _embed(self, request: web.Request) -> web.Response:
        self.asked.append(Asked(request.path, dict(request.headers), await request.json()))
        return web.json_response({"data": [], "usage": {"prompt_tokens": 7}})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(Asked(request.path, dict(request.headers), body))
        turn = self._turn_for(body)
        if turn.fault in ("reset", "hang"):
            return await self._fail(request, turn.fault)
        if turn.body is not None or turn.status != 200:
            said = turn.body or json.dumps({"error": {"message": "no"}}).encode()
            headers = {"Content-Type": "application/json", **turn.headers}
            return web.Response(status=turn.status, body=said, headers=headers)
        self.counted.add(turn)
        speak = SPEAKS[request.path]
        if not body.get("stream"):
            return web.json_response(speak.whole(turn, body))
        return await self._stream(request, turn, list(speak.stream(turn, body)))

    async def _stream(
        self, request: web.Request, turn: Turn, events: list[str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if turn.fault == "cut":
            events = events[: len(events) // 2]
        for event in events:
            half = len(event) // 2  # chunks that are no events
            for part in (event[:half], event[half:]):
                await response.write(part.encode())
                await asyncio.sleep(0)
        if turn.fault in ("cut", "late") and request.transport is not None:
            request.transport.abort()
        return response

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault == "hang":
            self.hangs.set()
            try:
                await self._closing.wait()
            finally:
                self.is_free.set()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


class Chat:
    """OpenAI chat completions."""

    def whole(self, turn: Turn, body: Json) -> Json:
        message: Json = {"role": "assistant", "content": turn.text}
        if turn.calls:
            message["tool_calls"] = [
                {"id": f"call_{n}", "type": "function", "function": _function(call)}
                for n, call in enumerate(turn.calls)
            ]
        reason = "tool_calls" if turn.calls else "stop"
        told: Json = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        }
        return told if turn.tokens is None else told | {"usage": self._usage(turn)}

    def stream(self, turn: Turn, body: Json) -> Iterator[str]:
        usage = (body.get("stream_options") or {}).get("include_usage")
        yield ": keep-alive\n\n"
        yield self._chunk(body, {"role": "assistant", "content": ""})
        for word in (turn.text or "").split(" ") if turn.text else ():
            yield self._chunk(body, {"content": word + " "})
        for n, call in enumerate(turn.calls):
            function = _function(call)
            start = {"index": n, "id": f"call_{n}", "type": "function",
                     "function": {"name": function["name"], "arguments": ""}}  # fmt: skip
            yield self._chunk(body, {"tool_calls": [start]})
        for at in range(0, max((len(json.dumps(a)) for _, a in turn.calls), default=0), 5):
            for n, (_, arguments) in enumerate(turn.calls):  # parallel calls, side by side
                if part := json.dumps(arguments)[at : at + 5]:
                    delta = {"index": n, "function": {"arguments": part}}
                    yield self._chunk(body, {"tool_calls": [delta]})
        yield self._chunk(body, {}, "tool_calls" if turn.calls else "stop")
        if usage and turn.tokens is not None:
            yield _event({"id": "1", "object": "chat.completion.chunk", "model": body["model"],
                          "created": 1, "choices": [], "usage": self._usage(turn)})  # fmt: skip
        yield "data: [DONE]\n\n"

    def _chunk(self, body: Json, delta: Json, reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _event({"id": "1", "object": "chat.completion.chunk", "model": body["model"],
                       "created": 1, "choices": [choice]})  # fmt: skip

    def _usage(self, turn: Turn) -> Json:
        given, made = turn.tokens or (0, 0)
        return {
            "prompt_tokens": given,
            "completion_tokens": made,
            "total_tokens": given + made,
            "prompt_tokens_details": {"cached_tokens": turn.cached},
            "completion_tokens_details": {"reasoning_tokens": turn.reasoning},
        }


class Responses:
    """OpenAI responses."""

    def whole(self, turn: Turn, body: Json) -> Json:
        output: list[Json] = [
            {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}",
             "status": "completed", **_function(call)}
            for n, call in enumerate(turn.calls)
        ]  # fmt: skip
        if turn.text is not None:
            content = [{"type": "output_text", "text": turn.text, "annotations": []}]
            output.append({"type": "message", "id": "m", "role": "assistant",
                           "status": "completed", "content": content})  # fmt: skip
        return {
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed",
            "model": body["model"], "output": output, "usage": self._usage(turn),
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        }  # fmt: skip

    def stream(self, turn: Turn, body: Json) -> Iterator[str]:
        whole = self.whole(turn, body)
        started = whole | {"status": "in_progress", "output": [], "usage": None}
        yield _event({"type": "response.created", "response": started}, "response.created")
        for word in (turn.text or "").split(" "):
            delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0,
                     "content_index": 0, "delta": word + " "}  # fmt: skip
            yield _event(delta, "response.output_text.delta")
        yield _event({"type": "response.completed", "response": whole}, "response.completed")

    def _usage(self, turn: Turn) -> Json | None:
        if turn.tokens is None:
            return None
        given, made = turn.tokens
        return {
            "input_tokens": given,
            "output_tokens": made,
            "total_tokens": given + made,
            "input_tokens_details": {"cached_tokens": turn.cached},
            "output_tokens_details": {"reasoning_tokens": turn.reasoning},
        }


class Messages:
    """Anthropic messages."""

    def whole(self, turn: Turn, body: Json) -> Json:
        content: list[Json] = [] if turn.text is None else [{"type": "text", "text": turn.text}]
        content += [
            {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": arguments}
            for n, (name, arguments) in enumerate(turn.calls)
        ]
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
            "content": content, "stop_sequence": None,
            "stop_reason": "tool_use" if turn.calls else "end_turn",
            "usage": self._usage(turn),
        }  # fmt: skip

    def stream(self, turn: Turn, body: Json) -> Iterator[str]:
        whole = self.whole(turn, body)
        usage = whole.pop("usage") | {"output_tokens": 1}
        start = whole | {"content": [], "stop_reason": None, "usage": usage}
        yield _event({"type": "message_start", "message": start}, "message_start")
        yield _event({"type": "ping"}, "ping")
        for index, block in enumerate(whole["content"]):
            yield from self._block(index, block)
        end = {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": (turn.tokens or (0, 0))[1]},
        }
        yield _event(end, "message_delta")
        yield _event({"type": "message_stop"}, "message_stop")

    def _block(self, index: int, block: Json) -> Iterator[str]:
        empty = block | ({"text": ""} if block["type"] == "text" else {"input": {}})
        yield _event(
            {"type": "content_block_start", "index": index, "content_block": empty},
            "content_block_start",
        )
        text = block.get("text") or json.dumps(block.get("input"))
        kind = ("text_delta", "text") if "text" in block else ("input_json_delta", "partial_json")
        for at in range(0, len(text), 4):
            delta = {"type": kind[0], kind[1]: text[at : at + 4]}
            yield _event(
                {"type": "content_block_delta", "index": index, "delta": delta},
                "content_block_delta",
            )
        yield _event({"type": "content_block_stop", "index": index}, "content_block_stop")

    def _usage(self, turn: Turn) -> Json:
        given, made = turn.tokens or (0, 0)
        return {
            "input_tokens": given - turn.cached,
            "cache_read_input_tokens": turn.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": made,
        }


SPEAKS: Mapping[str, Any] = {
    "/v1/chat/completions": Chat(),
    "/v1/responses": Responses(),
    "/v1/messages": Messages(),
}


def _function(call: tuple[str, Json]) -> Json:
    return {"name": call[0], "arguments": json.dumps(call[1])}


def _event(data: Json, name: str | None = None) -> str:
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {json.dumps(data)}\n\n"


@contextmanager
def in_a_thread(provider: Provider) -> Iterator[Provider]:
    """For tests that have no event loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(provider.__aenter__(), loop).result(10)
        yield provider
    finally:
        asyncio.run_coroutine_threadsafe(provider.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
