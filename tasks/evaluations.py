"""Beginning an evaluation, and having it open while its runs are made."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from assay.errors import CannotEvaluate
from assay.evaluation import Evaluation, open_evaluation
from assay.plan import Plan
from assay.prompts import lock_prompts
from assay.settling import Request, settle, settle_as
from assay.store.toolsets import changed_tools
from tasks.flow_runs import tag_run
from tasks.notices import warn
from tasks.progress import Progress


def evaluation_name() -> str:
    """The flow run's name, a question that was asked: `support:v14, support:v15 vs active`."""
    asked = flow_run.parameters
    candidates = [asked["candidate"], *(asked.get("more_candidates") or [])]
    return f"{', '.join(candidates)} vs {asked['baseline']}"


def request(candidates: Sequence[str], baseline: str, config: str, **further: Any) -> Request:
    """The flow's parameters as a request."""
    return Request(
        candidates=tuple(candidates),
        baseline=None if baseline == "active" else baseline,
        config=Path(config),
        **further,
    )


@task(persist_result=False, cache_policy=NO_CACHE)
def begin(request: Request, evaluation_id: str | None) -> Plan:
    """Read and check what the evaluation needs."""
    now = datetime.now(UTC)
    if evaluation_id is None:
        plan = settle(request, environ=os.environ, now=now)
    else:
        plan = settle_as(evaluation_id, request, environ=os.environ, now=now)
    get_run_logger().info(
        "evaluation %s: %s against %s, %d runs at most",
        plan.evaluation_id,
        ", ".join(prompt.prompt_id for prompt in plan.candidates),
        plan.baseline.prompt_id,
        plan.n_runs,
    )
    return plan


def _about(plan: Plan) -> dict[str, str | list[str]]:
    """What the run list can be filtered by."""
    if plan.is_night:
        return {"kind": "nightly", "prompt": plan.baseline.ref}
    prompts = [prompt.ref for prompt in plan.candidates]
    return {"kind": "evaluate", "prompt": prompts, "baseline": plan.baseline.ref}


@asynccontextmanager
async def under_way(plan: Plan, *, max_concurrency: int | None) -> AsyncIterator[Evaluation]:
    """The evaluation, open for its runs; its progress is shown until the block ends."""
    await tag_run(_about(plan))
    progress = Progress(total=plan.n_runs)
    at_once = max_concurrency or plan.config.execution.max_concurrency
    async with open_evaluation(
        plan, on_run=progress.add_one, max_concurrency=at_once
    ) as evaluation:
        # Only now: texts are locked once they are judged, not when a tool cannot be imported.
        _lock(plan)
        _tell_of_tools(evaluation)
        progress.done = evaluation.n_finished
        async with progress.shown():
            yield evaluation
        for warning in evaluation.warnings():
            warn(warning)


def _tell_of_tools(evaluation: Evaluation) -> None:
    """A tool that is another than last time explains much, so it is said before the runs."""
    tools, config = evaluation.agent.tool_schemas, evaluation.plan.config.path
    if tools is not None:
        changed = changed_tools(evaluation.folder, config=config, tools=tools)
        if changed is not None:
            warn(changed)


def _lock(plan: Plan) -> None:
    """Lock the texts that are judged; where that cannot be written, whoever switches does it."""
    try:
        lock_prompts(plan.config.folder / plan.config.prompts.directory, plan.prompts)
    except CannotEvaluate as refused:
        warn(f"{refused.problem}: these texts are not locked until one of them is switched to")
