"""The run's clock, which stands still while a provider makes the run wait."""

import asyncio
from contextlib import ExitStack

from assay.budgets import Stopwatch


async def test_it_stands_as_long_as_any_of_several_waits() -> None:
    """Requests side by side wait together: that time is neither counted twice nor at all."""
    watch = Stopwatch()
    first, second = watch.waiting(), watch.waiting()
    async with watch.limit(5.0) as limit:
        due = limit.when()
        with first:
            at_first = watch.elapsed_s()
            with second:
                await asyncio.sleep(0.05)
            assert limit.when() is None
            await asyncio.sleep(0.05)
            assert watch.elapsed_s() == at_first
        assert due is not None
        moved = limit.when()
        assert moved is not None
        assert moved > due


async def test_a_wait_may_outlast_the_run() -> None:
    """The request of a run that is over is still on its way out."""
    watch = Stopwatch()
    with ExitStack() as waits:
        async with watch.limit(5.0):
            waits.enter_context(watch.waiting())
    assert watch.elapsed_s() < 5.0


async def test_what_turned_out_to_be_a_wait_is_taken_off_once() -> None:
    """Two requests that hung side by side have cost the time of one."""
    watch = Stopwatch()
    await asyncio.sleep(0.05)
    for _ in range(2):
        with watch.waiting(0.02):
            pass
    assert watch.elapsed_s() > 0.025
