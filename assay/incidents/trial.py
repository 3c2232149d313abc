"""Does the task tell the bad version from the good one? Both run it, and it is said how often.

A golden task that the bad version passes guards against nothing, and one that the good version
fails stops every change to come. Runs are an evaluation's: the same agent, the same budgets.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from assay.config import Config
from assay.evaluation import Evaluation, Round, open_evaluation
from assay.golden import GoldenTask
from assay.plan import Plan, new_evaluation_id
from assay.prompts import PromptVersion
from assay.records import RunRecord
from assay.sections import Results

MAX_REASONS = 3


@dataclass(frozen=True, slots=True)
class Arm:
    """The runs of one version."""

    ref: str
    runs: tuple[RunRecord, ...]
    asked: int

    @property
    def passed(self) -> int:
        """Runs that are a success and break no bound."""
        return sum(run.success is True and not run.violated_invariants for run in self.runs)

    @property
    def lost(self) -> int:
        """Runs that say nothing: not made for a spent budget, or lost to the infrastructure."""
        return self.asked - sum(run.success is not None for run in self.runs)

    @property
    def failed(self) -> int:
        """Runs that are no success, or break a bound."""
        return self.asked - self.lost - self.passed

    def __str__(self) -> str:
        """`support:v14: 5 of 5 fail (max_tokens 5, max_tool_calls 4)`."""
        reasons = Counter(reason for run in self.runs for reason in _reasons(run))
        shown = ", ".join(f"{what} {n}" for what, n in reasons.most_common(MAX_REASONS))
        lost = f", {self.lost} said nothing" if self.lost else ""
        return f"{self.ref}: {self.failed} of {self.asked} fail{lost}" + (
            f" ({shown})" if shown else ""
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """What both versions did."""

    bad: Arm
    good: Arm
    budget_spent: str | None

    @property
    def tells(self) -> bool:
        """Whether the bad version fails in more than half of its runs, and the good one in none."""
        return 2 * self.bad.failed > self.bad.asked and self.good.passed == self.good.asked

    @property
    def why_not(self) -> str:
        """In words, where it does not tell."""
        if self.budget_spent:
            return f"budgets.evaluation.{self.budget_spent} was spent before all runs were made"
        if self.bad.lost or self.good.lost:
            return "runs were lost to the infrastructure"
        if self.good.passed < self.good.asked:
            return f"{self.good.ref} fails it, too"
        return f"{self.bad.ref} passes it in half of its runs or more"


async def try_task(
    task: GoldenTask,
    *,
    bad: PromptVersion,
    good: PromptVersion,
    config: Config,
    repeats: int,
    now: datetime,
    on_run: Callable[[RunRecord], None],
) -> Trial:
    """Run the task with both versions, so often each; nothing is kept.

    Raises:
        InputError: The agent or the judge cannot be used as configured.
    """
    with tempfile.TemporaryDirectory(prefix="assay-trial-") as folder:
        plan = Plan(
            evaluation_id=new_evaluation_id(now),
            created_at=now,
            config=config.model_copy(update={"results": Results(uri=folder)}),
            config_sha256=config.sha256,
            baseline=good,
            candidates=(bad,),
            gates=config.gates,
            tasks=(task,),
            repeats=repeats,
            seed=config.testing.seed,
        )
        at_once = config.execution.max_concurrency
        async with open_evaluation(plan, on_run=on_run, max_concurrency=at_once) as evaluation:
            for this_round in evaluation.rounds():
                await _made(evaluation, this_round)
            runs = evaluation.folder.finished_runs()
            spent = evaluation.budget_spent
    arms = [
        Arm(each.ref, tuple(run for run in runs if run.prompt_id == each.prompt_id), repeats)
        for each in (bad, good)
    ]
    return Trial(arms[0], arms[1], spent)


async def _made(evaluation: Evaluation, this_round: Round) -> None:
    """Every run of a round; when one cannot be made, the others have ended before this raises."""
    try:
        async with asyncio.TaskGroup() as group:
            for cell in this_round.cells:
                for repeat in this_round.repeats:
                    group.create_task(
                        evaluation.make_run(cell, repeat=repeat, round_number=this_round.number)
                    )
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _reasons(run: RunRecord) -> list[str]:
    """Why a run failed, without what the model wrote."""
    if run.success is None:
        return []
    stop = [] if run.success or run.failed_checks else [f"ended by {run.stop_reason}"]
    return [*run.violated_invariants, *(f"check {each}" for each in run.failed_checks), *stop]
