"""Making the runs: one task run for each cell and round, its repeats inside.

Prefect neither stores results nor retries cells: the journal is the truth, and a run
that failed is a row in it. One task run per agent run would cost ten times as much.
"""

import asyncio

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.evaluation import Cell, Evaluation, Round


async def make_runs(evaluation: Evaluation, this_round: Round) -> None:
    """Make one round's runs of every cell, in parallel."""
    await asyncio.gather(*(run_cell(evaluation, cell, this_round) for cell in evaluation.cells))


@task(task_run_name="{cell.label}", persist_result=False, cache_policy=NO_CACHE)
async def run_cell(evaluation: Evaluation, cell: Cell, this_round: Round) -> None:
    """One prompt on one golden task: this round's repeats, at once as far as slots allow."""
    await asyncio.gather(
        *(
            evaluation.make_run(cell, repeat=repeat, round_number=this_round.number)
            for repeat in this_round.repeats
        )
    )
