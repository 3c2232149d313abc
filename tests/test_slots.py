"""A bounded number of runs at once, in the order of their places."""

import asyncio

from assay.slots import Slots


async def test_no_more_than_the_count_hold_a_slot_at_once() -> None:
    """`-j` bounds what a provider sees; one more would be a rate limit's error."""
    slots, holding, most = Slots(3), 0, 0

    async def hold(number: int) -> None:
        nonlocal holding, most
        async with slots.at((1, number)):
            holding += 1
            most = max(most, holding)
            await asyncio.sleep(0)
            holding -= 1

    await asyncio.gather(*(hold(number) for number in range(20)))
    assert most == 3


async def test_the_lowest_place_that_waits_goes_first() -> None:
    """Both prompts move through the repeats side by side, whatever order cells arrive in."""
    slots, order = Slots(1), []

    async def hold(place: tuple[int, int]) -> None:
        async with slots.at(place):
            order.append(place)
            await asyncio.sleep(0)

    async with slots.at((0, 0)):
        waiting = [asyncio.create_task(hold(p)) for p in ((2, 0), (1, 1), (2, 1), (1, 0))]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == [(1, 0), (1, 1), (2, 0), (2, 1)]


async def test_a_waiter_that_is_cancelled_loses_no_slot() -> None:
    """Ctrl-C in the middle must not leave the others waiting for ever."""
    slots = Slots(1)

    async def hold(place: tuple[int, int]) -> None:
        async with slots.at(place):
            await asyncio.sleep(0)

    async with slots.at((0, 0)):
        first = asyncio.create_task(hold((1, 0)))
        second = asyncio.create_task(hold((2, 0)))
        await asyncio.sleep(0)
        first.cancel()
    async with asyncio.timeout(5):
        await second


async def test_a_slot_granted_to_a_task_that_is_cancelled_at_that_moment_is_passed_on() -> None:
    """The grant and the cancellation may fall into the same turn of the loop."""
    slots = Slots(1)

    async def hold(place: tuple[int, int]) -> None:
        async with slots.at(place):
            await asyncio.sleep(0)

    async with slots.at((0, 0)):
        first = asyncio.create_task(hold((1, 0)))
        second = asyncio.create_task(hold((2, 0)))
        await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(5):
        await second
