"""Every night: has what is active got worse, and what became of the candidates that wait?"""

from prefect import State, flow

from assay.nights.document import Night
from flows.evaluate import evaluate
from tasks.announcing import tell_of_failure
from tasks.cells import make_runs
from tasks.evaluations import under_way
from tasks.nights import (
    announce_night,
    begin_night,
    judge_night,
    may_switch,
    night_name,
    night_state,
    pending_candidates,
    publish_night,
)
from tasks.workplace import work_beside


@flow(
    flow_run_name=night_name,
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
async def nightly(config: str = "assay.yaml", max_concurrency: int | None = None) -> State[Night]:
    """Watch `active` beside `rollback`, then go on with the candidates that wait.

    If both moved since `active` was promoted, the world outside did; if `active` moved more,
    it regressed. A candidate is switched to only with `rollout.nightly_switch: true`.

    Args:
        config: The `assay.yaml` to read, and to switch where it says so.
        max_concurrency: Runs at once; empty for the config's.
    """
    place = work_beside(config)
    plan = begin_night(place.config)
    async with under_way(plan, max_concurrency=max_concurrency) as evaluation:
        for this_round in evaluation.rounds():
            await make_runs(evaluation, this_round)
        night = judge_night(plan, evaluation.budget_spent)
        await publish_night(plan, night)
    await announce_night(plan, night)
    ended = {
        candidate: await evaluate(
            candidate,
            config=place.config,
            max_concurrency=max_concurrency,
            switch=may_switch(place),
            over_nights=True,
            return_state=True,
        )
        for candidate in pending_candidates(place.config)
    }
    return night_state(night, ended)
