"""One way to a provider's model for all runs of a process: as much at once as it takes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from assay.models.adaptive_limit import AdaptiveLimit
from assay.models.rate import Counted, Rate


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
    tokens: Counted
    was_refused: bool = False

    def used(self, tokens: int) -> None:
        """Correct the estimate."""
        self.tokens.amount = tokens

    def refused(self, retry_after_s: float | None = None) -> None:
        """The provider refused it for the load (429), and may have said for how long."""
        self.was_refused = True
        self.used(0)
        self.limiter.adaptive.refused(self.number, now_s=_now_s(), retry_after_s=retry_after_s)


class Limiter:
    """Lets requests to one provider's model go, in the order of their coming.

        async with limiter.request(tokens=1_200, waiting=watch.waiting) as sent:
            answer = await post(...)
            if answer.status == 429:
                sent.refused(retry_after_s)
            else:
                sent.used(answer.total_tokens)

    Leaving the block without an exception, and without `refused`, means that it was answered.
    Whoever leaves it, by an exception or a cancellation too, makes room for the next.

    Args:
        limits: The most that may be asked.
    """

    def __init__(self, limits: Limits) -> None:
        self.adaptive = AdaptiveLimit(limits.max_concurrency)
        self._requests = Rate(limits.requests_per_minute)
        self._tokens = Rate(limits.tokens_per_minute)
        self._turns: deque[tuple[asyncio.Future[Sent], int]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    def allow(self, limits: Limits) -> None:
        """Other limits from now on."""
        self.adaptive.most = limits.max_concurrency
        self._requests.limit = limits.requests_per_minute
        self._tokens.limit = limits.tokens_per_minute

    def answered_within(self, seconds: float) -> bool:
        """Whether any request was answered lately: the provider is busy, not gone."""
        return self.adaptive.answered_within(seconds, now_s=_now_s())

    @asynccontextmanager
    async def request(
        self,
        *,
        tokens: int = 0,
        waiting: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> AsyncIterator[Sent]:
        """Wait for room, then hold it for the block.

        Args:
            tokens: What the request may use, an estimate.
            waiting: Entered while it waits for room, if it must.
        """
        if self._turns or self._room_in_s(tokens) > 0:
            with waiting():
                sent = await self._turn(tokens)
        else:
            sent = self._send(tokens)
        try:
            yield sent
            if not sent.was_refused:
                self.adaptive.answered(sent.number, now_s=_now_s())
        finally:
            self._leave(sent)

    async def _turn(self, tokens: int) -> Sent:
        turn: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        self._turns.append((turn, tokens))
        self._let_go()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._let_go()
            else:  # its turn had just come
                turn.result().used(0)
                self._leave(turn.result())
            raise

    def _leave(self, sent: Sent) -> None:
        self.adaptive.leave(sent.number)
        self._let_go()

    def _let_go(self) -> None:
        """Send those whose turn it is, as far as there is room; else come back in time."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._turns:
            turn, tokens = self._turns[0]
            if not turn.done():  # else it was cancelled
                if (room_in_s := self._room_in_s(tokens)) > 0:
                    self._come_back(room_in_s)
                    return
                turn.set_result(self._send(tokens))
            self._turns.popleft()

    def _come_back(self, in_s: float) -> None:
        if in_s != float("inf"):
            self._alarm = asyncio.get_running_loop().call_later(in_s, self._let_go)

    def _room_in_s(self, tokens: int) -> float:
        now_s = _now_s()
        return max(
            self.adaptive.room_in_s(now_s),
            self._requests.wait_s(1, now_s=now_s),
            self._tokens.wait_s(tokens, now_s=now_s),
        )

    def _send(self, tokens: int) -> Sent:
        now_s = _now_s()
        self._requests.count(1, now_s=now_s)
        return Sent(self, self.adaptive.send(now_s), self._tokens.count(tokens, now_s=now_s))


_Limiters = dict[Hashable, Limiter]
_LIMITERS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Limiters] = WeakKeyDictionary()
"""By event loop: what waits in one cannot be told from another. A process has one that asks."""


def limiter_of(destination: Hashable, limits: Limits) -> Limiter:
    """The limiter that all in this event loop share who ask the same.

    Args:
        destination: The provider's address (host and port) or name, and the model as it is
            known there.
        limits: The most that may be asked; whoever comes last says it.
    """
    known = _LIMITERS.setdefault(asyncio.get_running_loop(), {})
    limiter = known.setdefault(destination, Limiter(limits))
    limiter.allow(limits)
    return limiter


def _now_s() -> float:
    return asyncio.get_running_loop().time()
