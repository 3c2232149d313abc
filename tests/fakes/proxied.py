"""An agent in the test's own process, behind the real proxy, before a provider that counts."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from assay.agents.protocol import Agent, AgentResult, Order
from assay.agents.proxy.proxied import open_proxied
from assay.config import Config
from assay.store.journal import Journal
from assay.store.tape import Tape
from tests.fakes.provider import Provider, Turn
from tests.fakes.workshop import Bench, Workshop

KEY = "sk-real-key-of-the-team"
PRICES = {"m": {"input_per_mtok": 1.0, "cached_input_per_mtok": 0.1, "output_per_mtok": 10.0}}

HI = [{"role": "user", "content": "hi"}]
CHAT = {"messages": HI}
TWO_CALLS = (("kb.search", {"q": "a b"}), ("kb_read", {"id": 7, "deep": {"x": [1, 2]}}))
APIS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/chat/completions", {"messages": HI}),
    "responses": ("/responses", {"input": HI}),
    "messages": ("/v1/messages", {"messages": HI, "max_tokens": 500}),
}


class Told:
    """What the provider is to answer: the turns in order, the last for ever."""

    def __init__(self) -> None:
        self.turns = [Turn(text="hello")]
        self._at = 0

    def again(self) -> None:
        self._at = 0

    def __call__(self, body: Any) -> Turn:
        self._at += 1
        return self.turns[min(self._at, len(self.turns)) - 1]


@dataclass
class Client:
    """What the agent sends its requests with: no client library, to say exactly what is sent."""

    base_url: str
    session: aiohttp.ClientSession
    order: Order

    async def post(
        self, path: str = "/chat/completions", /, headers: Any = None, **body: Any
    ) -> "Got":
        """One request; a body without a model asks `m`."""
        body = {"model": "m"} | body
        async with self.session.post(self.base_url + path, json=body, headers=headers) as answer:
            return Got(answer.status, answer.headers, await answer.read())


@dataclass
class Got:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def events(self) -> list[Any]:
        lines = [line for line in self.content.decode().split("\n") if line.startswith("data: ")]
        return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


Does = Callable[[Client], Awaitable[AgentResult]]


def finished(**figures: Any) -> AgentResult:
    return AgentResult(output="done", stop_reason="finish", latency_s=0.1, **figures)


def times(n: int, **body: Any) -> Does:
    """An agent that makes the same request again and again, whatever is answered."""

    async def does(client: Client) -> AgentResult:
        for _ in range(n):
            await client.post(**(CHAT | body))
        return finished()

    return does


@dataclass
class InProcess:
    """The agent: one coroutine."""

    does: Does
    name: str = "mine"
    model: str = "m"
    model_params_hash: str = "0"
    tools_hash: str = "0"
    tool_schemas: None = None
    price_table: str | None = None
    max_concurrency: int | None = None
    orders: list[Order] = field(default_factory=list)

    async def run(self, order: Order, *, tape: Tape) -> AgentResult:
        self.orders.append(order)
        assert order.line is not None
        async with aiohttp.ClientSession() as session:
            return await self.does(Client(order.line.base_url, session, order))


@dataclass
class Shop:
    """Runs agents before one provider."""

    workshop: Workshop
    provider: Provider
    keys: dict[str, Any] = field(default_factory=dict)
    """Of the agent's section."""
    request_timeout_s: float | None = None

    @asynccontextmanager
    async def opened(
        self,
        does: Does,
        *,
        replays: bool = False,
        **rest: Any,
    ) -> AsyncIterator[Bench]:
        config = self.config(**rest)

        @asynccontextmanager
        async def agent(environ: object) -> AsyncIterator[Agent]:
            yield InProcess(does)

        assert config.agent.kind == "command"
        async with open_proxied(
            config,
            config.agent,
            agent,
            environ={} if replays else {"TEAM_KEY": KEY},
            replays=replays,
        ) as opened:
            yield Bench(opened, self.workshop.folder)

    async def run(
        self, does: Does, *, tape: Callable[[Journal], Tape] | None = None, **rest: Any
    ) -> AgentResult:
        async with self.opened(does, **rest) as bench:
            return await bench.run(tape=tape)

    def config(self, **rest: Any) -> Config:
        keys = dict(self.keys)
        proxy = {
            "provider": "openai",
            "base_url": f"{self.provider.origin}/v1",
            "api_key_env": "TEAM_KEY",
        } | keys.pop("proxy", {})
        section = {"kind": "command", "command": "true", "model": "m", "prices": PRICES}
        config = self.workshop.config(section | keys | {"proxy": proxy}, **rest)
        timed = {"request_timeout_s": self.request_timeout_s}
        execution = config.execution.model_copy(update=timed)
        return config.model_copy(update={"execution": execution})
