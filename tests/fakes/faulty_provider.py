"""A real HTTP server on loopback that speaks chat completions, badly: it refuses and forgets.

In a test: `async with FaultyProvider(refuses=0.1, forgets=0.02) as provider: ...`.
As a process of its own it prints its base URL on the first line:
`python tests/fakes/faulty_provider.py --latency-s 0.25 --refuses 0.1 --forgets 0.02`
"""

import argparse
import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(slots=True, kw_only=True)
class FaultyProvider:
    """Answers after a while, but for a share of requests that it refuses or never answers.

    What happens to the n-th request is a matter of the seed, whoever sends it.
    """

    refuses: float = 0.0
    """Share of requests that are answered 429 at once."""
    retry_after: str = "1"
    """What every second refusal says; the others say nothing."""
    forgets: float = 0.0
    """Share of requests that are never answered."""
    latency_s: float = 0.0
    """Of an answer, on average: half of it to one and a half times."""
    gathers: int = 1
    """So many requests have to be under way before they are answered, all together."""
    calls: int = 0
    """Tool calls in each conversation, before the last word."""
    seed: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    """Requests by what became of them: `answered`, `refused`, `forgotten`."""
    base_url: str = ""
    _chance: random.Random = field(init=False)
    _gathering: asyncio.Barrier = field(init=False)
    _closing: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _runner: web.AppRunner = field(init=False)

    async def __aenter__(self) -> Self:
        self._chance = random.Random(self.seed)
        self._gathering = asyncio.Barrier(self.gathers)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        fate, slowness = self._chance.random(), 0.5 + self._chance.random()
        if fate < self.forgets:
            self.counted["forgotten"] += 1
            await self._closing.wait()
            return web.Response(status=503)
        if fate < self.forgets + self.refuses:
            return self._refusal()
        messages = (await request.json())["messages"]
        await self._gathering.wait()
        await asyncio.sleep(self.latency_s * slowness)
        self.counted["answered"] += 1
        return web.json_response(self._completion(messages))

    def _refusal(self) -> web.Response:
        self.counted["refused"] += 1
        told = {"Retry-After": self.retry_after} if self.counted["refused"] % 2 else {}
        return web.json_response({"error": {"message": "slow down"}}, status=429, headers=told)

    def _completion(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        step = sum(message["role"] == "assistant" for message in messages)
        message: dict[str, Any] = {"role": "assistant", "content": "Sealed."}
        if step < self.calls:
            arguments = json.dumps({"query": f"bearing {step}"})
            function = {"name": "kb_search", "arguments": arguments}
            call = {"id": f"call_{step}", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"id": "1", "model": "faulty", "choices": [choice], "usage": usage}


async def _serve(**how: Any) -> None:
    async with FaultyProvider(**how) as provider:
        sys.stdout.write(f"{provider.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--latency-s", "--refuses", "--forgets"):
        parser.add_argument(name, type=float, default=0.0)
    for name in ("--calls", "--seed"):
        parser.add_argument(name, type=int, default=0)
    asyncio.run(_serve(**vars(parser.parse_args())))
