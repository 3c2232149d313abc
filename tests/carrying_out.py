"""Evaluations carried out in the test's own process, without Prefect and its second a time."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.decision import Look, TaskTraits, judge_in_looks
from assay.evaluation import Evaluation, Round, open_evaluation
from assay.plan import Plan, prompt_ref
from assay.records import RunRecord
from assay.settling import Request, settle
from assay.store.arms import read_arm
from assay.store.parquet import runs_table


def planned(workspace: Path, *candidates: str, **asked: Any) -> Plan:
    """The plan of `assay evaluate CANDIDATE ...` in a workspace."""
    request = Request(candidates=candidates, config=workspace / "assay.yaml", **asked)
    return settle(request, environ={}, now=datetime.now(UTC))


def carried_out(
    plan: Plan,
    *,
    at_once: int = 16,
    on_run: Callable[[RunRecord], None] = lambda _: None,
    all_rounds: bool = True,
) -> list[RunRecord]:
    """Make the runs that are missing, of all rounds or up to the verdict; all finished ones."""

    async def carry_out() -> list[RunRecord]:
        async with open_evaluation(plan, on_run=on_run, max_concurrency=at_once) as evaluation:
            for this_round in evaluation.rounds():
                await asyncio.gather(*runs_of(evaluation, this_round))
                runs = evaluation.folder.finished_runs()
                if not all_rounds and judged(plan, runs, rounds=this_round.number).decides:
                    break
            return runs

    return asyncio.run(carry_out())


def runs_of(evaluation: Evaluation, this_round: Round) -> list[Coroutine[Any, Any, None]]:
    """A coroutine for each run of a round."""
    return [
        evaluation.make_run(cell, repeat=repeat, round_number=this_round.number)
        for cell in this_round.cells
        for repeat in this_round.repeats
    ]


def judged(plan: Plan, runs: list[RunRecord], *, rounds: int | None = None) -> Look:
    """The last look that the runs of so many rounds, or of all, allow."""
    expected = {task.id: task.expect_stop_reason for task in plan.tasks}
    baseline, candidate = (
        read_arm(runs_table(runs), prompt_ref(prompt), tasks=expected) for prompt in plan.prompts
    )
    return judge_in_looks(
        baseline,
        candidate,
        at=plan.looks,
        made=rounds or len(plan.looks),
        tasks=[
            TaskTraits(id=task.id, critical=task.is_critical, firm=task.is_firm)
            for task in plan.tasks
        ],
        gates=plan.gates,
        max_infra_error_share=plan.config.testing.max_infra_error_share,
    )[-1]


def what_it_did(run: RunRecord) -> dict[str, Any]:
    """A run without its names and clocks: what must not hang on order or chance."""
    return run.model_dump(exclude={"evaluation_id", "run_id", "started_at", "latency_s"})
