"""Requests to one provider's model: in their order, within its limits, and no place is lost.

The event loop's clock jumps from timer to timer, so that minutes take no time and are exact.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from assay.models.limiter import Limiter, Limits, limiter_of
from tests.fakes.clock import in_no_time


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def hold(limiter: Limiter, seconds: float = 1.0, *, tokens: int = 0) -> float:
    """One request that is answered after so long; when it was sent."""
    async with limiter.request(tokens=tokens):
        began_s = now_s()
        await asyncio.sleep(seconds)
    return began_s


async def starts(limiter: Limiter, count: int, seconds: float = 1.0, **how: int) -> list[float]:
    """When each of so many requests, asked for together, was sent."""
    return await asyncio.gather(*(hold(limiter, seconds, **how) for _ in range(count)))


def test_no_more_are_under_way_than_allowed_and_the_first_come_go_first() -> None:
    """Whoever waits longest is next: none is starved."""

    async def work() -> list[float]:
        return await starts(Limiter(Limits(max_concurrency=2)), 7)

    assert in_no_time(work()) == [0, 0, 1, 1, 2, 2, 3]


def test_a_newcomer_does_not_overtake_those_who_wait() -> None:
    """A large request waits for its tokens at the head; small ones would pass it for ever."""

    async def work() -> list[float]:
        limiter = Limiter(Limits(max_concurrency=9, tokens_per_minute=100))
        return await asyncio.gather(*(hold(limiter, tokens=tokens) for tokens in (60, 80, 1)))

    assert in_no_time(work()) == [0, 60, 60]


def test_a_retry_after_pauses_everyone() -> None:
    """Not only the request that was refused: the others would be refused as well."""

    async def work() -> tuple[float, list[float]]:
        limiter = Limiter(Limits(max_concurrency=4))
        async with limiter.request() as sent:
            sent.refused(7.0)
        return now_s(), await starts(limiter, 3)

    assert in_no_time(work()) == (0.0, [7, 7, 8])  # and the limit is two now


def test_requests_per_minute_hold() -> None:
    """Before the provider has to refuse any."""

    async def work() -> list[float]:
        return await starts(Limiter(Limits(max_concurrency=9, requests_per_minute=3)), 7)

    assert in_no_time(work()) == [0, 0, 0, 60, 60, 60, 120]


def test_tokens_per_minute_hold_for_what_was_really_used() -> None:
    """Estimates are corrected by the answers, up and down."""

    async def work(used: int) -> list[float]:
        limiter = Limiter(Limits(max_concurrency=1, tokens_per_minute=100))

        async def ask() -> float:
            async with limiter.request(tokens=50) as sent:
                began_s = now_s()
                await asyncio.sleep(1)
                sent.used(used)
            return began_s

        return await asyncio.gather(*(ask() for _ in range(4)))

    assert in_no_time(work(10)) == [0, 1, 2, 3]
    assert in_no_time(work(100)) == [0, 60, 120, 180]


def test_a_refused_request_has_used_no_tokens() -> None:
    """It would keep those away that the provider has room for."""

    async def work() -> float:
        limiter = Limiter(Limits(max_concurrency=4, tokens_per_minute=100))
        async with limiter.request(tokens=100) as sent:
            sent.refused()
        return await hold(limiter, tokens=100)

    assert in_no_time(work()) == 0.0


def test_waiting_for_room_stops_the_runs_clock_and_going_at_once_does_not_touch_it() -> None:
    """A queue is not the run's doing."""
    stood_s = []

    @contextmanager
    def waiting() -> Iterator[None]:
        began_s = now_s()
        yield
        stood_s.append(now_s() - began_s)

    async def ask(limiter: Limiter) -> None:
        async with limiter.request(waiting=waiting):
            await asyncio.sleep(5)

    async def work() -> None:
        limiter = Limiter(Limits(max_concurrency=1))
        await asyncio.gather(*(ask(limiter) for _ in range(3)))

    in_no_time(work())
    assert stood_s == [5, 10]


def test_an_exception_makes_room_and_is_no_answer() -> None:
    """A dropped connection says nothing about how much the provider takes."""

    async def work() -> tuple[int, int, float]:
        limiter = Limiter(Limits(max_concurrency=2))
        async with limiter.request() as sent:
            sent.refused()
        with pytest.raises(ConnectionError):
            async with limiter.request():
                raise ConnectionError
        return limiter.adaptive.under_way, limiter.adaptive.limit, await hold(limiter)

    assert in_no_time(work()) == (0, 1, 0.0)


@pytest.mark.parametrize(("who", "third_at_s"), [("holds", 1.5), ("waits", 1.0)])
def test_whoever_is_cancelled_takes_no_place_along(who: str, third_at_s: float) -> None:
    """Ctrl-C, a time limit: the others must not wait for ever."""

    async def work() -> tuple[float, int]:
        limiter = Limiter(Limits(max_concurrency=1))
        first, second = (asyncio.create_task(hold(limiter)) for _ in range(2))
        third = asyncio.create_task(hold(limiter))
        await asyncio.sleep(0.5)
        (first if who == "holds" else second).cancel()
        return await third, limiter.adaptive.under_way

    assert in_no_time(work()) == (third_at_s, 0)


def test_a_place_that_came_at_the_moment_of_a_cancellation_is_passed_on() -> None:
    """The turn and the cancellation may fall into the same turn of the loop."""

    async def work() -> tuple[float, int]:
        limiter = Limiter(Limits(max_concurrency=1, tokens_per_minute=10))
        async with limiter.request():
            first = asyncio.create_task(hold(limiter, tokens=10))
            second = asyncio.create_task(hold(limiter, tokens=10))
            await asyncio.sleep(0)
        first.cancel()
        return await second, limiter.adaptive.under_way

    assert in_no_time(work()) == (0.0, 0)


def test_those_behind_a_large_request_that_is_cancelled_do_not_wait_for_its_time() -> None:
    """It waited for a minute's tokens that they do not need."""

    async def work() -> float:
        limiter = Limiter(Limits(max_concurrency=9, tokens_per_minute=100))
        await hold(limiter, tokens=60)
        large, small = (asyncio.create_task(hold(limiter, tokens=tokens)) for tokens in (80, 1))
        await asyncio.sleep(1)
        large.cancel()
        return await small

    assert in_no_time(work()) == 2.0


def test_one_destination_has_one_limiter_and_others_have_their_own() -> None:
    """A refusal by one model says nothing about another, or about another provider's."""

    async def work() -> None:
        limits = Limits(max_concurrency=8)
        mine = limiter_of(("api.example.com", "small"), limits)
        async with mine.request() as sent:
            sent.refused(60.0)
        assert limiter_of(("api.example.com", "small"), limits) is mine
        for other in (("api.example.com", "large"), ("other.example.com", "small")):
            assert limiter_of(other, limits).adaptive.limit == 8
            assert await hold(limiter_of(other, limits)) == now_s() - 1

    in_no_time(work())


def test_who_comes_last_says_the_limits() -> None:
    """Two evaluations of one process may be configured differently; the state stays."""

    async def work() -> list[float]:
        limiter_of("a", Limits(max_concurrency=8))
        return await starts(limiter_of("a", Limits(max_concurrency=1)), 3)

    assert in_no_time(work()) == [0, 1, 2]


def test_another_event_loop_has_limiters_of_its_own() -> None:
    """What waits in one loop cannot be woken from another, and their clocks differ."""

    async def work() -> Limiter:
        return limiter_of("a", Limits(max_concurrency=8))

    assert in_no_time(work()) is not in_no_time(work())


def test_a_provider_that_takes_four_at_once_is_asked_for_about_four() -> None:
    """What it can take is found out, without being told and with few refusals on the way."""
    chance, busy, refusals, limits = random.Random(1), 0, 0, list[int]()

    async def ask(limiter: Limiter) -> None:
        nonlocal busy, refusals
        while True:
            async with limiter.request() as sent:
                limits.append(limiter.adaptive.limit)
                if busy < 4:
                    busy += 1
                    await asyncio.sleep(0.5 + chance.random())
                    busy -= 1
                    return
                refusals += 1
                sent.refused()
            await asyncio.sleep(chance.random())

    async def work() -> float:
        limiter = Limiter(Limits(max_concurrency=32))
        await asyncio.gather(*(ask(limiter) for _ in range(400)))
        return now_s()

    seconds = in_no_time(work())
    assert seconds < 1.25 * 400 / 4  # a second each, four at once
    assert refusals < 400
    assert sum(limits[100:]) / len(limits[100:]) < 8
