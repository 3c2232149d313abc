"""Everything that decides judged checks, open while an evaluation goes on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from assay.check_values import Resemblance
from assay.config import Config
from assay.golden import Check, GoldenTask
from assay.judges.judge import (
    BUDGET,
    Heard,
    Judge,
    Keep,
    judge_section,
    open_judge,
    recorded_judge,
)
from assay.judges.question import Question
from assay.judges.ruling import Answer, Ruling, by_meaning, by_votes, with_rulings
from assay.judges.similarity import similarity
from assay.records import RunKey, RunRecord
from assay.store.replay import OpenReplay, ReplayMode

HIDDEN_ID = "[prompt_id]"
"""Stands where an output repeats the prompt's id: judges must not know which prompt it was."""


def is_to_be_judged(task: GoldenTask, run: RunRecord) -> bool:
    """Whether judges have a say: a run that failed without them has failed whatever they say."""
    return run.success is True and bool(task.judged_checks)


@dataclass(frozen=True, slots=True)
class Bench:
    """The judge of one evaluation, and what tells whether texts mean the same."""

    judge: Judge | None
    """None where no golden task asks for one."""

    @property
    def spent_budget(self) -> str | None:
        """The judge's budget, once it could not pay: runs that nobody can judge are of no use."""
        return BUDGET if self.judge is not None and self.judge.purse.is_empty else None

    def described(self, config: Config) -> dict[str, Any] | None:
        """Who judges, as a record keeps it."""
        return None if self.judge is None else {"name": self.judge.name} | judge_section(config)

    def recall(self, spent_usd: float) -> None:
        """Count what an interrupted attempt at the same evaluation has spent on judging."""
        if self.judge is not None:
            self.judge.purse.spent_usd += spent_usd

    async def judged(
        self, task: GoldenTask, run: RunRecord, key: RunKey, *, heard: Heard, keep: Keep
    ) -> RunRecord:
        """The run with a ruling on each judged check of its golden task.

        Args:
            task: The golden task.
            run: A success as far as the other checks say.
            key: Of the run.
            heard: Answers of an interrupted attempt.
            keep: Where new answers are kept.
        """
        ruled = await asyncio.gather(
            *(
                self._ruling(_Case(task, run, number), key, heard, keep)
                for number, check in enumerate(task.checks)
                if check.is_judged
            )
        )
        rulings, answers = zip(*ruled, strict=True)
        was_asked = self.judge is not None and any(ruling.votes for ruling in rulings)
        return with_rulings(
            run,
            rulings,
            judge=self.judge.name if self.judge is not None and was_asked else None,
            answers=[answer for each in answers for answer in each],
        )

    async def _ruling(
        self, case: "_Case", key: RunKey, heard: Heard, keep: Keep
    ) -> tuple[Ruling, Sequence[Answer]]:
        check = case.check
        if isinstance(check.expected, Resemblance):
            cosine = await asyncio.to_thread(similarity, case.output, check.expected.value)
            return by_meaning(check, cosine), ()
        if self.judge is None:
            raise RuntimeError("golden tasks with a rubric are refused where there is no judge")
        question = Question(check.expected, case.task.input, case.output)
        words = await self.judge.words_on(
            question, check=case.number, key=key, heard=heard, keep=keep
        )
        return by_votes(check, words), words.answers


@dataclass(frozen=True, slots=True)
class _Case:
    """One check of one run."""

    task: GoldenTask
    run: RunRecord
    number: int

    @property
    def check(self) -> Check:
        return self.task.checks[self.number]

    @property
    def output(self) -> str:
        return (self.run.output or "").replace(self.run.prompt_id, HIDDEN_ID)


@asynccontextmanager
async def open_bench(
    config: Config, tasks: Sequence[GoldenTask], replay: OpenReplay | None = None
) -> AsyncIterator[Bench]:
    """What the golden tasks' judged checks need, open until the block ends.

    Args:
        config: Says who judges.
        tasks: All that are run.
        replay: The record that answers in the place of the world, judges included if for all.

    Raises:
        InputError: The judge cannot be had as configured, or is not the recorded one.
    """
    if not any(task.asks_a_judge for task in tasks):
        yield Bench(None)
        return
    if replay is not None and replay.mode is ReplayMode.ALL:
        yield Bench(recorded_judge(config, replay.header))
        return
    async with open_judge(config) as judge:
        yield Bench(judge)
