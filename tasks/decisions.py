"""From the runs on disk to decisions, and these to where people see them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from assay.decision import (
    Decision,
    EvaluationFacts,
    Outcome,
    Replayed,
    TaskTraits,
    decisions_of,
    document,
    judge_in_looks,
    looks_taken,
    outcome_of,
)
from assay.durable import replace_file
from assay.errors import CannotEvaluate
from assay.plan import Plan, folder_of, prompt_ref, seconds_since
from assay.prompts import PromptVersion
from assay.report.plot import gates_plot
from assay.store.arms import read_arm, total_spend_usd
from assay.store.comparability import allowed, differences
from assay.store.examples import with_examples
from assay.store.parquet import read_runs
from assay.store.record import Record
from assay.store.toolsets import in_words
from assay.versions import versions
from tasks.artifacts import show_outcome
from tasks.notices import warn


@task(task_run_name="look {number}", persist_result=False, cache_policy=NO_CACHE)
def look(plan: Plan, number: int, spent_budget: str | None) -> list[Decision]:
    """Judge each candidate by the runs made so far, as the looks up to this one do."""
    runs = read_runs(folder_of(plan).rebuild_parquet())
    decisions = [
        _decision(plan, candidate, runs, number=number, spent_budget=spent_budget)
        for candidate in plan.candidates
    ]
    for each in decisions:
        get_run_logger().info("after %d repeats: %s", plan.looks[number - 1], each.reason)
    return decisions


def _decision(
    plan: Plan, candidate: PromptVersion, runs: pa.Table, *, number: int, spent_budget: str | None
) -> Decision:
    refs = [prompt_ref(prompt) for prompt in (plan.baseline, candidate)]
    baseline, prompt = refs
    expected = {task.id: task.expect_stop_reason for task in plan.tasks}
    differing = differences(runs, baseline=baseline.prompt_id, candidate=prompt.prompt_id)
    results = folder_of(plan).path.parent
    refused = [
        in_words(each, [results]) for each in differing if each.field not in plan.allow_different
    ]
    looks = judge_in_looks(
        read_arm(runs, baseline, tasks=expected),
        read_arm(runs, prompt, tasks=expected),
        at=plan.looks,
        made=number,
        tasks=[
            TaskTraits(id=task.id, critical=task.is_critical, firm=task.is_firm)
            for task in plan.tasks
        ],
        gates=plan.gates,
        max_infra_error_share=plan.config.testing.max_infra_error_share,
        spent_budget=spent_budget,
        obstacle=f"not comparable: {'; '.join(refused)}" if refused else None,
    )
    facts = EvaluationFacts(
        evaluation_id=plan.evaluation_id,
        rounds=len(looks),
        stopped_early=len(looks) < len(plan.looks),
        spend_usd=total_spend_usd(runs, refs),
        seconds=seconds_since(plan.created_at, datetime.now(UTC)),
        seed=plan.seed,
        versions=versions(),
        looks=tuple(looks_taken(looks)),
        allowed_different=allowed(differing, plan.allow_different),
        faults_hash=plan.config.faults_hash,
        replayed=_replayed(plan),
    )
    return with_examples(document(looks[-1].judgement, facts), runs)


def _pack_record(record: Record) -> None:
    """Where it cannot be packed it stays as it is, to be read all the same."""
    try:
        record.pack()
    except CannotEvaluate as refused:
        warn(f"{refused.problem}: the record stays as {record.growing.name}")


def _replayed(plan: Plan) -> Replayed | None:
    if (replay := plan.replay) is None:
        return None
    return Replayed(mode=replay.mode.value, evaluation_id=replay.evaluation_id)


def settled(decisions: Sequence[Decision]) -> list[str]:
    """The candidates that need no more runs, by prompt_id."""
    return [each.candidate.prompt_id for each in decisions if each.is_clear]


async def publish(plan: Plan, decisions: Sequence[Decision]) -> Outcome:
    """Keep what was decided beside its runs, and show it with the flow run.

    With a verdict nothing is left to go on from, so the tapes are let go; a record stays.
    """
    outcome = outcome_of(decisions)
    folder = folder_of(plan)
    replace_file(folder.decision, f"{outcome.model_dump_json(indent=2)}\n".encode())
    folder.tapes.unlink(missing_ok=True)
    _pack_record(folder.record)
    replace_file(folder.plot, gates_plot(decisions_of(outcome)).encode())
    await show_outcome(outcome)
    return outcome
