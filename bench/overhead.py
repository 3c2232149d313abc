"""What the harness costs: CPU time of one model request, ours against bare aiohttp.

Both ask the same server on loopback, a process of its own whose time is not counted,
in conversations that grow by a tool call and its answer with every request. Run it:

    python bench/overhead.py [--requests 2000] [--concurrency 50]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from assay.models.endpoint import open_endpoint
from assay.models.openai_compatible import OpenAICompatibleModel

SERVER = Path(__file__).parents[1] / "tests" / "fakes" / "openai_server.py"
ARTICLE = "The bearings of the cargo bike are sealed and need no grease. " * 12
TOOLS = [
    ToolDefinition(
        name=name,
        description=f"What {name} does, in a sentence or two, as a model would be told.",
        parameters_json_schema={
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
            "required": ["query"],
        },
    )
    for name in ("kb_search", "kb_read", "orders_lookup", "send_email")
]
PARAMETERS = ModelRequestParameters(function_tools=TOOLS)
Conversation = Callable[[int], Awaitable[None]]
"""Makes this many requests, one after the other."""


@contextmanager
def served() -> Iterator[str]:
    """A server in a process of its own; its base URL."""
    with subprocess.Popen([sys.executable, SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def opening() -> list[ModelMessage]:
    """A system prompt and a question."""
    return [ModelRequest(parts=[SystemPromptPart(ARTICLE), UserPromptPart("Is it sealed?")])]


def tool_exchange(number: int) -> list[ModelMessage]:
    """A tool call, and the article that it found."""
    call = ToolCallPart("kb_search", {"query": f"bearings {number}"}, f"call_{number}")
    return [
        ModelResponse(parts=[call]),
        ModelRequest(parts=[ToolReturnPart("kb_search", ARTICLE, call.tool_call_id)]),
    ]


async def ours(
    base_url: str, concurrency: int, converse: Callable[[Conversation], Awaitable[None]]
) -> None:
    """Through `OpenAICompatibleModel`: mapping, request, checked answer."""
    async with open_endpoint(
        base_url, api_key="key", max_concurrency=concurrency, provider_name="bench"
    ) as endpoint:

        async def conversation(requests: int) -> None:
            model, messages = OpenAICompatibleModel("m", endpoint=endpoint), opening()
            for number in range(requests):
                response = await model.request(messages, {"seed": 1}, PARAMETERS)
                assert response.usage.output_tokens == 8
                messages += tool_exchange(number)

        await converse(conversation)


async def bare(
    base_url: str, concurrency: int, converse: Callable[[Conversation], Awaitable[None]]
) -> None:
    """The least anyone could do: post bytes that are there already, parse what comes."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": ARTICLE}]}).encode()
    connector = aiohttp.TCPConnector(limit=concurrency + 4)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def conversation(requests: int) -> None:
            for _ in range(requests):
                async with session.post(f"{base_url}/chat/completions", data=body) as answer:
                    assert json.loads(await answer.read())["usage"]["completion_tokens"] == 8

        await converse(conversation)


async def measured(
    way: Callable[..., Awaitable[None]],
    base_url: str,
    *,
    requests: int,
    steps: int,
    concurrency: int,
) -> tuple[float, float]:
    """CPU milliseconds and wall milliseconds of one request."""
    slots = asyncio.Semaphore(concurrency)
    used: list[float] = []

    async def converse(conversation: Conversation) -> None:
        async def one() -> None:
            async with slots:
                await conversation(steps)

        await conversation(1)  # imports and the first connection are not the point
        began_cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(one() for _ in range(requests // steps)))
        used.append((time.process_time() - began_cpu) * 1e3 / requests)
        used.append((time.perf_counter() - began) * 1e3 / requests)

    await way(base_url, concurrency, converse)
    return used[0], used[1]


def main() -> None:
    """Print one line for each length of conversation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=50)
    options = parser.parse_args()
    print(f"{options.requests} requests, concurrency {options.concurrency}, {os.cpu_count()} cores")
    print(f"{'':24}{'CPU ms / request':>18}{'wall ms / request':>19}")
    with served() as base_url:
        for steps in (1, 10, 40):
            for way in (bare, ours):
                cpu_ms, wall_ms = asyncio.run(
                    measured(
                        way,
                        base_url,
                        requests=options.requests,
                        steps=steps,
                        concurrency=options.concurrency,
                    )
                )
                print(
                    f"{way.__name__:>5}, {steps:>2} requests a run{cpu_ms:>17.2f}{wall_ms:>19.2f}"
                )


if __name__ == "__main__":
    main()
