"""From what an agent did in one run to the row that is kept of it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from assay.agents.protocol import Agent, AgentResult
from assay.checks import Observed, assess
from assay.golden import GoldenTask
from assay.plan import Plan
from assay.prompts import PromptVersion
from assay.records import RunKey, RunRecord

MAX_OUTPUT_CHARS = 50_000
"""What is kept of an output; a model's text is bounded before it is stored."""

MAX_TRACED_CHARS = 1_000
"""What the stored trace keeps of one tool call's arguments."""


@dataclass(frozen=True, slots=True)
class Made:
    """Which run it was."""

    prompt: PromptVersion
    task: GoldenTask
    key: RunKey
    started_at: datetime
    round: int
    """1-based."""


def run_record(made: Made, result: AgentResult, *, plan: Plan, agent: Agent) -> RunRecord:
    """The row of a run, checked, before any judge is heard."""
    used = asdict(result)
    calls, notes = used.pop("calls"), used.pop("notes")
    used["output"], used["error"] = _storable(result.output), _storable(result.error)
    verdict = assess(made.task, observed(result))
    return RunRecord(
        evaluation_id=made.key.evaluation_id,
        run_id=made.key.run_id,
        prompt_name=made.prompt.name,
        prompt_version=made.prompt.version,
        prompt_id=made.prompt.prompt_id,
        golden_task_id=made.task.id,
        golden_task_hash=made.task.hash,
        category=made.task.category,
        repeat=made.key.repeat,
        round=made.round,
        agent=agent.name,
        model=agent.model,
        model_params_hash=agent.model_params_hash,
        tools_hash=agent.tools_hash,
        budgets_hash=plan.budgets_hash,
        price_table=agent.price_table,
        faults_hash=plan.config.faults_hash,
        replayed=None if plan.replay is None else str(plan.replay),
        started_at=made.started_at,
        success=verdict.success,
        failed_checks=list(verdict.failed_checks),
        violated_invariants=list(verdict.violated_invariants),
        success_without_judge=verdict.success if made.task.judged_checks else None,
        trace=[*map(_traced, calls), *({"note": note} for note in notes)],
        **used,
    )


def observed(result: AgentResult) -> Observed:
    """What the golden task's checks may look at."""
    return Observed(
        output=result.output,
        stop_reason=result.stop_reason,
        steps=result.steps,
        tool_calls=result.tool_calls,
        total_tokens=result.total_tokens,
        latency_s=result.latency_s,
        spend_usd=result.spend_usd,
        calls=[
            {"tool": call.tool, "arguments": call.arguments}
            for call in result.calls
            if call.was_made
        ],
    )


def _traced(call: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in call.items() if value is not None}
    return known | {"arguments": call["arguments"][:MAX_TRACED_CHARS]}


def _storable(text: str | None) -> str | None:
    """Bounded, and without the half characters that no file format takes."""
    if text is None:
        return None
    return text[:MAX_OUTPUT_CHARS].encode("utf-8", "replace").decode("utf-8")
