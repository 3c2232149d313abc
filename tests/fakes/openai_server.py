"""A real HTTP server on loopback that speaks OpenAI chat completions and does as it is told.

In a test: `async with FakeOpenAI([says("hi")]) as server: ... server.base_url`.
As a process of its own, for what must survive the death of its client:
`python tests/fakes/openai_server.py --latency-s 0.2` prints its base URL on the first
line, answers every question with one sentence, and tells at `/asked` how many it got.
"""

import argparse
import asyncio
import json
import ssl
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

Fault = Literal["reset", "cut", "hang"]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    latency_s: float = 0.0
    fault: Fault | None = None
    """`reset`: no answer; `cut`: half a body; `hang`: no answer, and the connection stays."""


def completion(
    message: Mapping[str, Any], *, finish_reason: str = "stop", usage: Any = (10, 5), **more: Any
) -> Reply:
    """A chat completion; `usage` is (prompt tokens, completion tokens), a mapping, or None."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "fake-model-1",
        "choices": [{"index": 0, "message": dict(message), "finish_reason": finish_reason}],
    }
    if isinstance(usage, tuple):
        given, made = usage
        usage = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
    if usage is not None:
        body["usage"] = usage
    return Reply(body=json.dumps(body).encode(), **more)


def says(text: str | None, **how: Any) -> Reply:
    """An answer in words."""
    return completion({"role": "assistant", "content": text}, **how)


def calls(*named: tuple[str, Any], **how: Any) -> Reply:
    """A request for tools: pairs of a name and its arguments, as JSON text or not."""
    tool_calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
            },
        }
        for number, (name, arguments) in enumerate(named)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": tool_calls}
    return completion(message, finish_reason="tool_calls", **how)


def refuses(status: int, text: str = "no", **headers: str) -> Reply:
    """An error; a header's name is written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"error": {"message": text}}).encode()
    return Reply(status=status, body=body, headers=named)


def answers(body: bytes | str, status: int = 200) -> Reply:
    """These bytes, whatever they are."""
    return Reply(status=status, body=body.encode() if isinstance(body, str) else body)


def resets() -> Reply:
    """Closes the connection without an answer."""
    return Reply(fault="reset")


def cuts_off() -> Reply:
    """Promises a long body and closes the connection in its middle."""
    return Reply(fault="cut")


def hangs() -> Reply:
    """Never answers."""
    return Reply(fault="hang")


@dataclass(frozen=True)
class Asked:
    """One request that arrived."""

    body: dict[str, Any]
    headers: Mapping[str, str]


class FakeOpenAI:
    """Gives its replies in order, the last one for ever, and keeps every request."""

    path = "/v1/chat/completions"

    def __init__(
        self, replies: Iterable[Reply], *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._replies = list(replies)
        self._port = port
        self._tls = tls
        self._closing = asyncio.Event()
        self.asked: list[Asked] = []
        self.base_url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=100_000_000)
        app.router.add_post(self.path, self._answer)
        app.router.add_get("/asked", self._count)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.origin = f"{'https' if self._tls else 'http'}://{host}:{port}"
        self.base_url = f"{self.origin}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        reply = self._replies[min(len(self.asked), len(self._replies) - 1)]
        self.asked.append(Asked(await request.json(), dict(request.headers)))
        if reply.latency_s:
            await asyncio.sleep(reply.latency_s)
        if reply.fault is not None:
            return await self._fail(request, reply.fault)
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers={"Content-Type": "application/json", **reply.headers},
        )

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        if fault == "hang":
            await self._closing.wait()
        elif fault == "cut":
            await response.prepare(request)
            await response.write(b'{"choices": [')
        if request.transport is not None:
            request.transport.abort()
        return response

    async def _count(self, _: web.Request) -> web.Response:
        return web.json_response({"asked": len(self.asked)})


async def _serve(port: int, latency_s: float) -> None:
    reply = says("It takes two working days.", latency_s=latency_s, usage=(100, 8))
    async with FakeOpenAI([reply], port=port) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-s", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(_serve(options.port, options.latency_s))
