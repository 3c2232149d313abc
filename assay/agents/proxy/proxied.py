"""An agent of one's own behind the recording proxy: the same runs, counted by us."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from urllib.parse import urlsplit

import aiohttp

from assay.agent_sections import ForeignSection
from assay.agents.protocol import Agent, AgentResult, Line, Order
from assay.agents.proxy.counted import CountedRun
from assay.agents.proxy.environment import agents_environment, line_environment, real_key
from assay.agents.proxy.measured import measured
from assay.agents.proxy.recorded_agent import header_of
from assay.agents.proxy.responder import Nobody, Provider, Responder, base_url_of
from assay.agents.proxy.server import Proxy
from assay.agents.proxy.taped import TapedRun
from assay.budgets import Meter, ToolPolicy
from assay.config import Budgets, Config
from assay.models.prices import Price, PriceTable, price_ref_at
from assay.models.upstream import Upstream, request_timeout_s, shared_limiter
from assay.prompts import system_prompt
from assay.proxy_section import ProxySection
from assay.records import StopReason
from assay.store.record import RecordHeader, secrets_of
from assay.store.tape import Tape, Unanswered

OpenAgent = Callable[[Mapping[str, str] | None], AbstractAsyncContextManager[Agent]]
"""Opens the agent itself; its processes get the environment, None is ours."""


@asynccontextmanager
async def open_proxied(
    config: Config,
    section: ForeignSection,
    open_agent: OpenAgent,
    *,
    environ: Mapping[str, str] = os.environ,
    replays: bool = False,
) -> AsyncIterator[Agent]:
    """The agent, with the proxy between it and its model where it is configured.

    Args:
        config: The configuration.
        section: Its agent.
        open_agent: Opens it.
        environ: Where the real key is.
        replays: Whether a record answers in the provider's place.

    Raises:
        InputError: On entering: the key is not set, or the agent cannot be had.
    """
    if section.proxy is None:
        async with open_agent(None) as agent:
            yield agent
        return
    key = real_key(section.proxy, environ, path=config.path, replays=replays)
    async with _responder(config, section.proxy, key, replays=replays) as responder:
        proxy = Proxy(
            section.proxy,
            responder=responder,
            max_attempts=1 if replays else config.execution.attempts,
            upstream_of=_no_limits if replays else partial(_upstream_of, config, section.proxy),
        )
        async with proxy.served():
            env = agents_environment(section.proxy, environ, key=key, base_url=proxy.nowhere)
            async with open_agent(env) as agent:
                yield ProxiedAgent(
                    agent,
                    section,
                    proxy=proxy,
                    budgets=config.budgets,
                    secrets=secrets_of(config, environ),
                )


def _responder(
    config: Config, section: ProxySection, key: str, *, replays: bool
) -> AbstractAsyncContextManager[Responder]:
    if replays:
        return nullcontext(Nobody(section))
    return _provider(section, key, silence_s=request_timeout_s(config))


@asynccontextmanager
async def _provider(
    section: ProxySection, key: str, *, silence_s: float
) -> AsyncIterator[Provider]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),  # runs are bounded; their requests are theirs
        cookie_jar=aiohttp.DummyCookieJar(),  # a run must not know of the one before
        skip_auto_headers=("User-Agent", "Content-Type"),
        max_line_size=65_536,
        max_field_size=65_536,
    ) as session:
        yield Provider(section, key=key, session=session, silence_s=silence_s)


def _no_limits(_: str) -> Upstream:
    """A record answers whoever asks."""
    return Upstream()


def _upstream_of(config: Config, section: ProxySection, model: str) -> Upstream:
    """All who ask a provider for a model share its limits."""
    destination = urlsplit(base_url_of(section)).netloc, model
    return Upstream(
        limiter=shared_limiter(config, destination), timeout_s=request_timeout_s(config)
    )


@dataclass(frozen=True, slots=True)
class Prices:
    """Of every model that an agent may ask, by its name in the requests."""

    table: PriceTable
    base_url: str

    @classmethod
    def of_section(cls, section: ForeignSection, proxy: ProxySection) -> "Prices":
        """As configured."""
        return cls(PriceTable(section.prices), base_url_of(proxy))

    def of(self, model: str) -> Price:
        """Unknown where nobody has priced it."""
        return self.table.price_of(model, price_ref_at(self.base_url, model))


class ProxiedAgent:
    """Makes runs through the proxy.

    Args:
        agent: The agent itself.
        section: Its configuration, with the proxy's.
        proxy: Being served.
        budgets: Limits of each run.
        secrets: What a record of the runs must not hold.
    """

    def __init__(
        self,
        agent: Agent,
        section: ForeignSection,
        *,
        proxy: Proxy,
        budgets: Budgets,
        secrets: tuple[bytes, ...],
    ) -> None:
        if section.proxy is None:
            raise ValueError("an agent without agent.proxy")
        prices = Prices.of_section(section, section.proxy)
        self.name, self.model = agent.name, agent.model
        self.model_params_hash, self.tools_hash = agent.model_params_hash, agent.tools_hash
        self.tool_schemas = agent.tool_schemas
        self.price_table: str | None = prices.table.name
        self.max_concurrency = agent.max_concurrency
        self._agent, self._section, self._proxy = agent, section.proxy, proxy
        self._injects = section.inject_prompt
        self._budgets, self._secrets = budgets, secrets
        self._price_of = lru_cache(maxsize=64)(prices.of)  # agents ask the same few models

    def record_header(self, config: Config, evaluation_id: str) -> RecordHeader:
        """What a record of its runs begins with."""
        return header_of(config, evaluation_id, agent=self._agent)

    async def run(self, order: Order, *, tape: Tape) -> AgentResult:
        """Make one run; its figures are the proxy's."""
        try:
            tape.start_anew()
        except Unanswered as missing:
            nothing = AgentResult(output=None, stop_reason="", latency_s=0.0)
            return _ended(nothing, missing)
        result = await self._run(order, tape)
        return result if tape.timed_out is None else _ended(result, tape.timed_out)

    async def _run(self, order: Order, tape: Tape) -> AgentResult:
        counted = CountedRun(
            prompt=system_prompt(order.prompt),
            injects=self._injects,
            meter=Meter(self._budgets, ToolPolicy()),
            watch=order.watch,
            price_of=self._price_of,
            taped=self._taped(order, tape),
        )
        async with self._proxy.opened(counted) as opened:
            line = Line(
                base_url=opened.base_url,
                environment=line_environment(self._section, opened.base_url),
            )
            said = await self._agent.run(replace(order, line=line), tape=tape)
            opened.has_timed_out = said.stop_reason == StopReason.MAX_SECONDS
        return measured(said, counted)

    def _taped(self, order: Order, tape: Tape) -> TapedRun | None:
        if not tape.keeps_requests:
            return None
        return TapedRun(tape, secrets=self._secrets, watch=order.watch)


def _ended(result: AgentResult, end: Unanswered) -> AgentResult:
    """The run as the record has it end, whatever the agent made of it."""
    return replace(result, output=None, stop_reason=end.stop_reason, error=end.words)
