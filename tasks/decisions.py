"""From the runs on disk to a decision, and the decision to where people see it."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version

from prefect import task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from assay.decision import Decision, EvaluationFacts, TaskTraits, document
from assay.decision import decide as judge
from assay.durable import replace_file
from assay.evaluation import folder_of
from assay.plan import Plan, prompt_ref
from assay.store.arms import read_arm, total_spend_usd
from assay.store.parquet import read_runs
from tasks.progress import tell

VERSIONED = ("assay", "prefect", "pydantic-ai-slim", "pyarrow", "scipy")


@task(persist_result=False, cache_policy=NO_CACHE)
def decide(plan: Plan, spent_budget: str | None) -> Decision:
    """Compare the arms' runs, read back from Parquet, and judge."""
    runs = read_runs(folder_of(plan).rebuild_parquet())
    expected = {task.id: task.expect_stop_reason for task in plan.tasks}
    refs = [prompt_ref(prompt) for prompt in plan.prompts]
    baseline, candidate = (read_arm(runs, ref, tasks=expected) for ref in refs)
    judgement = judge(
        baseline,
        candidate,
        tasks=[TaskTraits(id=task.id, critical=task.is_critical) for task in plan.tasks],
        gates=plan.config.gates,
        max_infra_error_share=plan.config.testing.max_infra_error_share,
        spent_budget=spent_budget,
    )
    facts = EvaluationFacts(
        evaluation_id=plan.evaluation_id,
        rounds=1,
        stopped_early=spent_budget is not None,
        spend_usd=total_spend_usd(runs, refs),
        seconds=(datetime.now(UTC) - plan.created_at).total_seconds(),
        seed=plan.seed,
        versions={"python": platform.python_version()} | {n: version(n) for n in VERSIONED},
    )
    decision = document(judgement, facts)
    get_run_logger().info("%s", decision.reason)
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
