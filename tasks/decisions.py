"""From the runs on disk to a decision, and the decision to where people see it."""

from datetime import UTC, datetime

from prefect import task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from assay.decision import (
    Decision,
    EvaluationFacts,
    TaskTraits,
    document,
    judge_in_looks,
    looks_taken,
)
from assay.durable import replace_file
from assay.plan import Plan, folder_of, prompt_ref
from assay.store.arms import read_arm, total_spend_usd
from assay.store.comparability import differences
from assay.store.examples import with_examples
from assay.store.parquet import read_runs
from assay.versions import versions
from tasks.progress import tell


@task(task_run_name="look {number}", persist_result=False, cache_policy=NO_CACHE)
def look(plan: Plan, number: int, spent_budget: str | None) -> Decision:
    """Judge by the runs made so far, read back from Parquet, as the looks up to this one do."""
    runs = read_runs(folder_of(plan).rebuild_parquet())
    expected = {task.id: task.expect_stop_reason for task in plan.tasks}
    baseline, candidate = (prompt_ref(prompt) for prompt in plan.prompts)
    differing = differences(runs, baseline=baseline.prompt_id, candidate=candidate.prompt_id)
    looks = judge_in_looks(
        read_arm(runs, baseline, tasks=expected),
        read_arm(runs, candidate, tasks=expected),
        at=plan.looks,
        made=number,
        tasks=[TaskTraits(id=task.id, critical=task.is_critical) for task in plan.tasks],
        gates=plan.config.gates,
        max_infra_error_share=plan.config.testing.max_infra_error_share,
        spent_budget=spent_budget,
        obstacle=f"not comparable: {'; '.join(map(str, differing))}" if differing else None,
    )
    facts = EvaluationFacts(
        evaluation_id=plan.evaluation_id,
        rounds=number,
        stopped_early=number < len(plan.looks),
        spend_usd=total_spend_usd(runs, (baseline, candidate)),
        seconds=(datetime.now(UTC) - plan.created_at).total_seconds(),
        seed=plan.seed,
        versions=versions(),
        looks=tuple(looks_taken(looks)),
    )
    decision = with_examples(document(looks[-1].judgement, facts), runs)
    get_run_logger().info("after %d repeats: %s", plan.looks[number - 1], decision.reason)
    return decision


async def publish(plan: Plan, decision: Decision) -> None:
    """Keep the decision beside its runs, and show it with the flow run.

    With a verdict nothing is left to go on from, so the tapes are let go.
    """
    text = decision.model_dump_json(indent=2)
    folder = folder_of(plan)
    replace_file(folder.decision, f"{text}\n".encode())
    folder.tapes.unlink(missing_ok=True)
    await tell(acreate_markdown_artifact(markdown(decision), description="Decision"))


def markdown(decision: Decision) -> str:
    """The verdict for the flow run's page; what comes from files stands in a code block."""
    reason = decision.reason.replace("`", "'")
    switched = decision.switched
    after = f"\n\nactive: `{switched.before}` -> `{switched.after}`" if switched else ""
    return f"# {decision.verdict}\n\n```\n{reason}\n```{after}\n"
