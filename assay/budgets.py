"""Budgets, enforced while a run goes on: what was used, and what must stop it.

A budget never judges a prompt; it keeps one run from costing without end. What
was used up to the stop is kept, so that a stopped run is still evidence.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from assay.config import Budgets
from assay.records import StopReason

Amount = TypeVar("Amount", int, float)
Cost = Callable[[int, int], float | None]
"""US dollars of a request by its input and output tokens; None where no price is known."""

FIGURES = (
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens", "steps",
    "tool_calls", "spend_usd",
)  # fmt: skip
MTOK = 1_000_000
LOOP_AFTER = 4
"""The n-th call of one tool with the same arguments in one run is a loop, and is not made."""

MAX_REFUSALS = 3
"""Denied calls of one run that are answered with a refusal; the next one ends it."""

SPEND_SLACK_USD = 1e-12
"""Sums of prices are not exact."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the model is told instead of a denied call's result."""

    words: str


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """Which tools a run may call, and how often each."""

    allowed: frozenset[str] | None = None
    """None allows every tool there is."""
    max_calls: Mapping[str, int] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    """Whatever is allowed."""

    def refusal(self, tool: str, *, calls_so_far: int) -> Refusal | None:
        """Why one more call of `tool` is against the policy, if it is."""
        if tool in self.blocked:
            return Refusal(f"Refused: the tool {tool} is blocked.")
        if self.allowed is not None and tool not in self.allowed:
            return Refusal(f"Refused: the tool {tool} is not allowed.")
        if calls_so_far >= (limit := self.max_calls.get(tool, calls_so_far + 1)):
            times = "once" if limit == 1 else f"{limit} times"
            return Refusal(f"Refused: the tool {tool} may be called {times} at most.")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestUse:
    """What one request to the model used; None where the provider does not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    spend_usd: float | None = None


@dataclass(slots=True)
class Meter:
    """What one run has used so far, and the stop reason that its next move would meet."""

    budgets: Budgets
    policy: ToolPolicy
    cost: Cost = lambda _input, _output: None
    steps: int = 0
    tool_calls: int = 0
    denied_tool_calls: int = 0
    by_tool: Counter[str] = field(default_factory=Counter)
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cached_tokens: int | None = 0
    reasoning_tokens: int | None = 0
    spend_usd: float | None = 0.0
    _conversation_tokens: int = 0
    """What the next request sends at least: what the last one sent, and its answer."""
    _same_calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def total_tokens(self) -> int | None:
        """Input plus output; None once a response came without its usage."""
        return _sum(self.input_tokens, self.output_tokens)

    @property
    def figures(self) -> dict[str, Any]:
        """What was used, by the names of a run's result."""
        return {name: getattr(self, name) for name in FIGURES}

    def before_request(self) -> StopReason | None:
        """The budget that forbids another request to the model, if any."""
        if self.steps >= self.budgets.max_steps:
            return StopReason.MAX_STEPS
        return self.used_up()

    def used_up(self) -> StopReason | None:
        """The budget, of tokens or of money, that has no room for another answer, if any."""
        if self._spent(self.total_tokens, self.budgets.max_tokens, over=0):
            return StopReason.MAX_TOKENS
        affordable = self._affordable_output()
        if affordable is not None and affordable < 1:
            return StopReason.MAX_SPEND
        return None

    def count_request(self, use: RequestUse) -> StopReason | None:
        """Add one response's use; the budget that it overran, if any."""
        self.steps += 1
        self._conversation_tokens = (use.input_tokens or 0) + (use.output_tokens or 0)
        self.input_tokens = _sum(self.input_tokens, use.input_tokens)
        self.output_tokens = _sum(self.output_tokens, use.output_tokens)
        self.cached_tokens = _sum(self.cached_tokens, use.cached_tokens)
        self.reasoning_tokens = _sum(self.reasoning_tokens, use.reasoning_tokens)
        self.spend_usd = _sum(self.spend_usd, use.spend_usd)
        if self._spent(self.total_tokens, self.budgets.max_tokens, over=1):
            return StopReason.MAX_TOKENS
        if self._spent(self.spend_usd, self.budgets.max_spend_usd, over=SPEND_SLACK_USD):
            return StopReason.MAX_SPEND
        return None

    def before_call(self, tool: str, arguments: str) -> Refusal | StopReason | None:
        """What keeps this tool call from being made, if anything; a denied one is counted here.

        A refusal is told to the model, a stop reason ends the run.
        """
        refusal = self.policy.refusal(tool, calls_so_far=self.by_tool[tool])
        if refusal is not None:
            self.denied_tool_calls += 1
            return refusal if self.denied_tool_calls <= MAX_REFUSALS else StopReason.TOOL_DENIED
        if self.tool_calls >= self.budgets.max_tool_calls:
            return StopReason.MAX_TOOL_CALLS
        if self._same_calls[tool, arguments] >= LOOP_AFTER - 1:
            return StopReason.LOOP
        return None

    def at_finish(self) -> StopReason:
        """How a run ends whose model is done: not well if it reached for what is denied."""
        return StopReason.TOOL_DENIED if self.denied_tool_calls else StopReason.FINISH

    def count_call(self, tool: str, arguments: str) -> None:
        """Add one tool call that is made."""
        self.tool_calls += 1
        self.by_tool[tool] += 1
        self._same_calls[tool, arguments] += 1

    def output_tokens_left(self) -> int | None:
        """How many tokens the next answer may have at most; None where no budget bounds it."""
        limit = self.budgets.max_tokens
        tokens = None if limit is None else limit - (self.total_tokens or 0)
        bounds = [each for each in (tokens, self._affordable_output()) if each is not None]
        return max(1, min(bounds)) if bounds else None

    def _affordable_output(self) -> int | None:
        """Output tokens that the money is enough for, once the conversation is sent again.

        0 when the spend is not known: a limit that cannot be checked allows nothing more.
        None without a limit, or where output costs nothing.
        """
        if (limit := self.budgets.max_spend_usd) is None:
            return None
        if self.spend_usd is None:
            return 0
        sent = self.cost(self._conversation_tokens, 0) or 0.0
        answered = self.cost(self._conversation_tokens, MTOK) or 0.0
        if (left := limit - self.spend_usd - sent) <= 0:
            return 0
        return None if answered <= sent else int(left / (answered - sent) * MTOK)

    @staticmethod
    def _spent(used: float | None, limit: float | None, *, over: float) -> bool:
        return used is not None and limit is not None and used >= limit + over


def overrun(
    budgets: Budgets,
    *,
    steps: int | None,
    tool_calls: int | None,
    total_tokens: int | None,
    spend_usd: float | None,
) -> StopReason | None:
    """The first budget that a run says to have gone beyond, if any; unknown is not beyond."""
    for stop, used, limit in (
        (StopReason.MAX_STEPS, steps, budgets.max_steps),
        (StopReason.MAX_TOOL_CALLS, tool_calls, budgets.max_tool_calls),
        (StopReason.MAX_TOKENS, total_tokens, budgets.max_tokens),
        (StopReason.MAX_SPEND, spend_usd, budgets.max_spend_usd),
    ):
        if used is not None and limit is not None and used > limit + SPEND_SLACK_USD:
            return stop
    return None


class Stopwatch:
    """Seconds of one run on the monotonic clock, without the time spent in `waiting`.

    Args:
        before_s: Seconds that the run had used before it was interrupted.
    """

    def __init__(self, *, before_s: float = 0.0) -> None:
        self._started = time.perf_counter() - before_s
        self._deadline: asyncio.Timeout | None = None
        self._waiters = 0
        self._stands_since = 0.0
        self._stood_until = self._started
        self._due: float | None = None

    def start(self) -> None:
        """Begin anew: what was before was no work, such as queueing for a process."""
        self._started = self._stood_until = time.perf_counter()

    def elapsed_s(self) -> float:
        """Seconds worked so far."""
        now = self._stands_since if self._waiters else time.perf_counter()
        return max(0.0, now - self._started)

    def limit(self, seconds: float) -> asyncio.Timeout:
        """A time-out for the whole run that stands still while the run is `waiting`."""
        self._deadline = asyncio.timeout(max(0.0, seconds - self.elapsed_s()))
        return self._deadline

    @contextmanager
    def waiting(self, already_s: float = 0.0) -> Iterator[None]:
        """Stand still: the run waits for something that is not its doing (a rate limit).

        It stands as long as any of several waits goes on; no time is taken off twice.

        Args:
            already_s: Seconds up to now that turned out to be such a wait too.
        """
        since = max(time.perf_counter() - already_s, self._stood_until)
        if self._waiters == 0:
            self._stands_since = since
            self._due = self._deadline.when() if self._deadline else None
            self._move(None)
        self._waiters += 1
        self._stands_since = min(since, self._stands_since)
        try:
            yield
        finally:
            self._waiters -= 1
            if self._waiters == 0:
                self._stood_until = time.perf_counter()
                waited = self._stood_until - self._stands_since
                self._started += waited
                if self._due is not None:
                    self._move(self._due + waited)

    def _move(self, when: float | None) -> None:
        if self._deadline is not None:
            with suppress(RuntimeError):  # its block is over, or is ending
                self._deadline.reschedule(when)


def _sum(left: Amount | None, right: Amount | None) -> Amount | None:
    return None if left is None or right is None else left + right
