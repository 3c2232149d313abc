"""How much is asked of one provider's model at once: one limit for all runs of a process.

It halves when the provider refuses for the load, grows back by one with each answer, and
stands still for as long as a `Retry-After` says.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from assay.models.rate import Counted, Rate

LONGEST_PAUSE_S = 120.0
"""Nobody waits out a longer `Retry-After`, so it stops nobody."""
OVERDUE = 4.0
"""A request that takes so many times as long as answers do is lost, and no load."""
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that may be asked of one provider's model."""

    max_concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(slots=True)
class Sent:
    """One request under way; how it went is told here."""

    limiter: "Limiter"
    number: int
    """Of the limiter's requests, in the order of sending."""
    at_s: float
    tokens: Counted
    was_refused: bool = False

    def used(self, tokens: int) -> None:
        """Correct the estimate."""
        self.tokens.amount = tokens

    def refused(self, retry_after_s: float | None = None) -> None:
        """The provider refused it for the load (429), and may have said for how long."""
        self.was_refused = True
        self.used(0)
        self.limiter.slow_down(self.number, retry_after_s)


class Limiter:
    """Lets requests to one provider's model go, in the order of their coming.

        async with limiter.request(tokens=1_200, waiting=watch.waiting) as sent:
            answer = await post(...)
            if answer.status == 429:
                sent.refused(retry_after_s)
            else:
                sent.used(answer.total_tokens)

    Whoever leaves the block, by an exception or a cancellation too, makes room for the next.
    It belongs to one event loop.

    Args:
        limits: The most that may be asked.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = limits.max_concurrency
        self._limit = float(limits.max_concurrency)
        self._requests = Rate(limits.requests_per_minute)
        self._tokens = Rate(limits.tokens_per_minute)
        self._under_way: dict[int, Sent] = {}
        self._n_sent = 0
        self._cut_after = 0
        """The limit was halved when so many had been sent: refusals of these are old news."""
        self._closed_until_s = -math.inf
        self._answered_s = -math.inf
        self._typical_s = math.inf
        """How long an answer takes, smoothed."""
        self._turns: deque[tuple[asyncio.Future[Sent], int]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """Requests that may be under way now: at least 1, at most `max_concurrency`."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """Requests that are under way."""
        return len(self._under_way)

    @asynccontextmanager
    async def request(
        self,
        *,
        tokens: int = 0,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> AsyncIterator[Sent]:
        """Wait for room, then hold it for the block.

        Args:
            tokens: What the request may use, an estimate.
            waiting: Entered while it waits for room, if it must.
        """
        if self._turns or self._wait_s(tokens) > 0:
            with waiting():
                sent = await self._turn(tokens)
        else:
            sent = self._send(tokens)
        try:
            yield sent
            if not sent.was_refused:
                self._answered(sent)
        finally:
            self._leave(sent)

    def answered_within(self, seconds: float) -> bool:
        """Whether any request was answered lately: the provider is busy, not gone."""
        return _now_s() - self._answered_s <= seconds

    def slow_down(self, number: int, retry_after_s: float | None) -> None:
        """Halve the limit, once for all that was sent before the cut; pause if told to."""
        if number > self._cut_after:
            self._limit = max(1.0, self._limit / 2)
            self._cut_after = self._n_sent
        if retry_after_s is not None and retry_after_s <= LONGEST_PAUSE_S:
            self._closed_until_s = max(self._closed_until_s, _now_s() + retry_after_s)

    def _answered(self, sent: Sent) -> None:
        """Grow; and whoever answers another request is not closed to all."""
        self._answered_s = _now_s()
        took_s = self._answered_s - sent.at_s
        known = self._typical_s < math.inf
        smoothed_s = self._typical_s + _SMOOTHING * (took_s - self._typical_s)
        self._typical_s = smoothed_s if known else took_s
        self._limit = min(self._most, self._limit + 1)
        self._closed_until_s = -math.inf

    async def _turn(self, tokens: int) -> Sent:
        turn: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        entry = (turn, tokens)
        self._turns.append(entry)
        self._let_go()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                sent = turn.result()
                sent.used(0)
                self._leave(sent)
            else:
                self._turns.remove(entry)
                self._let_go()
            raise

    def _leave(self, sent: Sent) -> None:
        del self._under_way[sent.number]
        self._let_go()

    def _let_go(self) -> None:
        """Send those whose turn it is, as far as there is room; else come back in time."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._turns:
            turn, tokens = self._turns[0]
            wait_s = self._wait_s(tokens)
            if wait_s > 0:
                if wait_s < math.inf:
                    loop = asyncio.get_running_loop()
                    self._alarm = loop.call_later(wait_s, self._let_go)
                return
            self._turns.popleft()
            turn.set_result(self._send(tokens))

    def _wait_s(self, tokens: int) -> float:
        """Seconds until one more request may go; infinite until another comes back."""
        now_s = _now_s()
        return max(
            self._room_in_s(now_s),
            self._closed_until_s - now_s,
            self._requests.wait_s(1, now_s=now_s),
            self._tokens.wait_s(tokens, now_s=now_s),
        )

    def _room_in_s(self, now_s: float) -> float:
        if len(self._under_way) < self.limit:
            return 0.0
        if len(self._under_way) >= self._most or self._typical_s == math.inf:
            return math.inf
        overdue_in_s = [
            wait_s
            for sent in self._under_way.values()
            if (wait_s := sent.at_s + OVERDUE * self._typical_s - now_s) > 0
        ]
        n_over = len(overdue_in_s) - self.limit
        return overdue_in_s[n_over] if n_over >= 0 else 0.0

    def _send(self, tokens: int) -> Sent:
        now_s = _now_s()
        self._requests.count(1, now_s=now_s)
        self._n_sent += 1
        sent = Sent(self, self._n_sent, now_s, self._tokens.count(tokens, now_s=now_s))
        self._under_way[sent.number] = sent
        return sent


def _now_s() -> float:
    return asyncio.get_running_loop().time()
