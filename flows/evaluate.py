"""Evaluate a candidate prompt against a baseline: run, compare, decide, switch."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from assay.choices import offering
from assay.decision import Decision
from tasks.cells import make_runs
from tasks.decisions import look, publish
from tasks.evaluations import begin, request, under_way
from tasks.switching import switch_prompts
from tasks.workplace import work_beside


@flow(flow_run_name="{candidate} vs {baseline}", persist_result=False)
async def evaluate(
    candidate: Annotated[str, Field(json_schema_extra=offering())],
    baseline: Annotated[str, Field(json_schema_extra=offering("active"))] = "active",
    config: str = "assay.yaml",
    repeats: int | None = None,
    seed: int | None = None,
    max_concurrency: int | None = None,
    switch: bool = True,
    evaluation_id: str | None = None,
) -> Decision:
    """Run golden tasks with both prompts, look, go on until it is clear, switch on promote.

    Only `switch_prompts` changes what a user relies on: stop anywhere before it and the
    active prompt is untouched.

    Args:
        candidate: The version to judge, such as `support:v14`.
        baseline: The version to judge it against; `active` is the one the config names.
        config: The `assay.yaml` to read and, on promote, to switch.
        repeats: Runs of each golden task with each prompt; empty for the config's.
        seed: Of the runs' randomness; empty for the config's.
        max_concurrency: Runs at once; empty for the config's.
        switch: Whether a promote switches `active` and `rollback`.
        evaluation_id: An interrupted evaluation to finish; empty begins a new one.
    """
    asked = request(candidate, baseline, work_beside(config), repeats=repeats, seed=seed)
    plan = begin(asked, evaluation_id)
    async with under_way(plan, max_concurrency=max_concurrency) as evaluation:
        for this_round in evaluation.rounds():
            await make_runs(evaluation, this_round)
            decision = look(plan, this_round.number, evaluation.budget_spent)
            if decision.is_clear or evaluation.budget_spent:
                break
        if switch:
            decision = switch_prompts(plan, decision)
        await publish(plan, decision)
    return decision
