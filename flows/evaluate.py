"""Evaluate candidate prompts against a baseline: run, compare, decide, switch."""

from typing import Annotated

from prefect import State, flow
from pydantic import Field

from assay.choices import offering
from assay.decision import Outcome
from assay.gates import Scope
from assay.store.replay import ReplayMode
from tasks.announcing import announce, tell_of_failure
from tasks.cells import make_runs
from tasks.decisions import look, publish, settled
from tasks.evaluations import begin, evaluation_name, request, under_way
from tasks.states import named_state
from tasks.switching import switch_prompts
from tasks.workplace import work_beside

Version = Annotated[str, Field(json_schema_extra=offering())]
"""One of the versions that there are when the flow is deployed."""


@flow(
    flow_run_name=evaluation_name,
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
async def evaluate(
    candidate: Version,
    baseline: Annotated[str, Field(json_schema_extra=offering("active"))] = "active",
    more_candidates: list[Version] | None = None,
    config: str = "assay.yaml",
    repeats: int | None = None,
    seed: int | None = None,
    max_concurrency: int | None = None,
    switch: bool = True,
    switch_best: bool = False,
    scope: Scope | None = None,
    allow_different: list[str] | None = None,
    over_nights: bool = False,
    evaluation_id: str | None = None,
    record: bool = False,
    replay: ReplayMode | None = None,
    record_of: str | None = None,
) -> State[Outcome]:
    """Run golden tasks with every prompt, look, go on until it is clear, switch on promote.

    Only `switch_prompts` changes what a user relies on: stop anywhere before it and the
    active prompt is untouched.

    Args:
        candidate: The version to judge, such as `support:v14`.
        baseline: The version to judge it against; `active` is the one the config names.
        more_candidates: Further versions, each judged against the same runs of the baseline.
        config: The `assay.yaml` to read and, on promote, to switch.
        repeats: Runs of each golden task with each prompt; empty for the config's.
        seed: Of the runs' randomness; empty for the config's.
        max_concurrency: Runs at once; empty for the config's.
        switch: Whether a promote switches `active` and `rollback`.
        switch_best: Of several candidates, whether the best that is promoted is switched to.
        scope: What the verdict is about; empty for the config's.
        allow_different: In what beside the prompt the arms may differ, such as `model`.
        over_nights: Whether it goes on tonight where it was inconclusive last night.
        evaluation_id: An interrupted evaluation to finish; empty begins a new one.
        record: Whether every exchange with the model and the tools is kept.
        replay: What a record answers: `tools`, or `all`, which switches nothing.
        record_of: The evaluation whose record answers; empty looks for one.
    """
    place = work_beside(config)
    asked = request(
        [candidate, *(more_candidates or [])],
        baseline,
        place.config,
        repeats=repeats,
        seed=seed,
        scope=scope,
        allow_different=tuple(allow_different or ()),
        over_nights=over_nights,
        records=record,
        replay=replay,
        record_of=record_of,
    )
    plan = begin(asked, evaluation_id)
    async with under_way(plan, max_concurrency=max_concurrency) as evaluation:
        for this_round in evaluation.rounds():
            await make_runs(evaluation, this_round)
            decisions = look(plan, this_round.number, evaluation.budget_spent)
            evaluation.settle(settled(decisions))
        if switch and not plan.is_rerun:
            decisions = switch_prompts(plan, decisions, place, best=switch_best)
        outcome = await publish(plan, decisions)
    await announce(plan, outcome)
    return named_state(outcome)
