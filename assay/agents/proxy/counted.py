"""One run at the proxy: what it has used, what it may still use, and what went wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic_ai.usage import RequestUsage

from assay.agents.answer import MAX_NAME_CHARS, MAX_TRACED_CALLS
from assay.agents.protocol import REQUESTED, ToolCall
from assay.agents.proxy.dialect import Reply
from assay.agents.proxy.taped import TapedRun
from assay.budgets import Meter, RequestUse, Stopwatch
from assay.models.prices import Price
from assay.records import StopReason
from assay.store.tape import Unanswered

MAX_TRACED_ARGUMENTS = 10_000
MAX_TOOLS = 1_000
OTHER_TOOLS = "(others)"
"""Of a model that makes up more names than anybody has tools."""


class Spent(Exception):
    """The run has used up a budget: it gets no answer any more."""

    def __init__(self, stop_reason: StopReason) -> None:
        super().__init__(stop_reason)
        self.stop_reason = stop_reason


@dataclass(slots=True, eq=False)
class Place:
    """One request that may be sent on."""

    most_output: int | None = None
    """Tokens that its answer may have; None for any number."""
    reserved: int | None = None
    """Of them, what other requests of the run cannot have meanwhile."""


NO_PLACE = Place()
"""Of requests that are not for a model's answer."""


@dataclass(slots=True, kw_only=True)
class CountedRun:
    """Counts one run's requests as they are answered."""

    prompt: str
    """The system prompt under test."""
    injects: bool
    """Whether it is put into each request."""
    meter: Meter
    watch: Stopwatch
    price_of: Callable[[str], Price]
    taped: TapedRun | None = None
    """Where its exchanges are kept, or come from; None where nobody keeps a record."""
    missing: Unanswered | None = None
    """What a replayed record did not hold, and how that ends the run."""
    stop: StopReason | None = None
    """The budget that was used up first."""
    seen: int = 0
    """Requests for an answer of a model that have come, refused ones among them."""
    attempts: int = 1
    failure: str | None = None
    """How the last request failed, if that was the provider's doing."""
    failures: int = 0
    calls: list[ToolCall] = field(default_factory=list)
    _open: set[Place] = field(default_factory=set)
    _one_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def place(self, model: str, wanted: int | None, *, least: int) -> AsyncIterator[Place]:
        """Room for one request, waited for while others of the run may use up what is left.

        Args:
            model: Its name.
            wanted: Output tokens that the agent asks for at most; None where it does not say.
            least: The lowest limit on them that the API takes.

        Raises:
            Spent: There is none, and will be none.
        """
        while (place := self._room(model, wanted, least)) is None:
            await self._one_ended.wait()
        self._open.add(place)
        try:
            yield place
        finally:
            self._release(place)

    def _release(self, place: Place) -> None:
        self._open.discard(place)
        self._one_ended.set()  # all that wait look again
        self._one_ended = asyncio.Event()

    def _room(self, model: str, wanted: int | None, least: int) -> Place | None:
        self.stop = self.stop or self._spent(model)
        if self.stop is not None:
            raise Spent(self.stop)
        budgets, n_open = self.meter.budgets, len(self._open)
        if self.meter.steps + n_open >= budgets.max_steps:
            return None
        if n_open and budgets.max_spend_usd is not None:
            return None
        if (left := self.meter.output_tokens_left()) is None:
            return Place()
        left -= sum(place.reserved or 0 for place in self._open)
        if left < least and not n_open:
            self.stop = self._scarce()
            raise Spent(self.stop)
        if left < least:
            return None
        return Place(left, left if wanted is None else min(left, wanted))

    def _scarce(self) -> StopReason:
        """What too little is left of, where the meter still sees some."""
        limit, used = self.meter.budgets.max_tokens, self.meter.total_tokens
        left = None if limit is None or used is None else limit - used
        is_tokens = left is not None and left <= (self.meter.output_tokens_left() or 0)
        return StopReason.MAX_TOKENS if is_tokens else StopReason.MAX_SPEND

    def _spent(self, model: str) -> StopReason | None:
        """The budget that forbids a request to this model, if any."""
        price = self.price_of(model)
        if self.meter.budgets.max_spend_usd is not None and not price.is_known:
            return StopReason.MAX_SPEND  # a limit that cannot be checked allows nothing
        self.meter.cost = price.of_tokens
        return self.meter.before_request()

    def count_lost(self, place: Place, model: str) -> None:
        """Add an answer that did not come, or not in whole: what it has used is unknown."""
        failure = self.failure
        self.count(place, model, Reply())
        self.failure = failure

    def count(self, place: Place, model: str, reply: Reply) -> None:
        """Add one answer; one without usage makes what is not said unknown."""
        self._release(place)
        self.failure = None
        stop = self.meter.count_request(self._use(model, reply))
        for tool, arguments in reply.calls:
            self._count_call(tool[:MAX_NAME_CHARS], arguments)
        if self.meter.tool_calls > self.meter.budgets.max_tool_calls:
            stop = stop or StopReason.MAX_TOOL_CALLS
        if reply.is_cut_off:  # by the budget, if nothing is left of it
            stop = stop or self.meter.used_up()
        self.stop = self.stop or stop

    def fail(self, words: str, *, counts: bool = True) -> None:
        """One request failed, which was the provider's doing."""
        self.failures += 1
        if counts:
            self.failure = words

    def _use(self, model: str, reply: Reply) -> RequestUse:
        usage = reply.usage
        return RequestUse(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            spend_usd=_spend(self.price_of(model), reply),
        )

    def _count_call(self, tool: str, arguments: str) -> None:
        if tool not in self.meter.by_tool and len(self.meter.by_tool) >= MAX_TOOLS:
            tool = OTHER_TOOLS
        kept = arguments[:MAX_TRACED_ARGUMENTS]
        self.meter.count_call(tool, kept)
        if len(self.calls) < MAX_TRACED_CALLS:
            self.calls.append(ToolCall(tool=tool, arguments=kept, outcome=REQUESTED))


def _spend(price: Price, reply: Reply) -> float | None:
    usage = reply.usage
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    return price.spend_usd(
        RequestUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_tokens or 0,
            cache_write_tokens=usage.cache_write_tokens or 0,
        )
    )
