"""Making the runs: one task run for each cell and round, its repeats inside.

Prefect neither stores results nor retries cells: the journal is the truth, and a run
that failed is a row in it. One task run per agent run would cost ten times as much.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.evaluation import Evaluation, Round

CANCELLED_UNBEGUN = "Task run is not set"
"""What Prefect's ValueError says of a task run that is cancelled before it began."""


async def make_runs(evaluation: Evaluation, this_round: Round) -> None:
    """Make one round's runs of each of its cells, in parallel."""
    await _together(
        run_cell(
            cell.label,
            partial(evaluation.make_run, cell, round_number=this_round.number),
            this_round.repeats,
        )
        for cell in this_round.cells
    )


@task(task_run_name="{label}", persist_result=False, cache_policy=NO_CACHE)
async def run_cell(
    label: str,  # noqa: ARG001 - names the task run
    make_run: Callable[..., Coroutine[Any, Any, None]],
    repeats: range,
) -> None:
    """One prompt on one golden task: this round's repeats, at once as far as slots allow.

    Prefect looks through every collection and dataclass that a task is given, down to the
    last finished run of an evaluation; into a function it does not look.
    """
    await _together(make_run(repeat=repeat) for repeat in repeats)


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it at once; when one part fails, the others have ended before this raises."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in work:
                group.create_task(part)
    except BaseExceptionGroup as failures:
        real = (each for each in failures.exceptions if str(each) != CANCELLED_UNBEGUN)
        raise next(real, asyncio.CancelledError()) from None
