"""The sample with golden tasks that a judge decides, evaluated in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from assay.evaluation import open_evaluation
from assay.plan import Plan
from assay.records import RunRecord
from tests.carrying_out import planned, runs_of
from tests.conftest import Workspace
from tests.fakes.judge_server import FakeJudge

RUBRIC = {"type": "llm-rubric", "value": "says how many days there are"}
LAMP = {"id": "lamp", "input": "How many days do I have to return a lamp?"}
RUG = {"id": "rug", "input": "How many days do I have to return a rug?"}

Judged = Callable[..., Path]


@pytest.fixture
async def judge() -> AsyncIterator[FakeJudge]:
    """A server that finds everything right, unless the test gives it another opinion."""
    async with FakeJudge() as server:
        yield server


@pytest.fixture
def judged(workspace: Workspace, judge: FakeJudge) -> Judged:
    """Makes the sample with these golden tasks and this judge."""

    def make(*tasks: dict[str, Any], **keys: Any) -> Path:
        folder = workspace()
        given = tasks or ({**LAMP, "checks": [RUBRIC]}, {**RUG, "checks": [RUBRIC]})
        lines = "".join(f"{json.dumps(task)}\n" for task in given)
        (folder / "golden" / "support.jsonl").write_text(lines)
        section = {"model": "a-judge", "base_url": judge.base_url, **keys}
        with (folder / "assay.yaml").open("a") as config:
            config.write(f"judge: {json.dumps(section)}\n")
        return folder

    return make


def two_repeats(folder: Path) -> Plan:
    """Two runs of each golden task by v13 and by v14."""
    return planned(folder, "v14", repeats=2)


async def evaluated(plan: Plan, *, at_once: int = 4) -> list[RunRecord]:
    """Every run of the plan that its budgets allow."""
    async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=at_once) as one:
        for this_round in one.rounds():
            await asyncio.gather(*runs_of(one, this_round))
        return one.folder.finished_runs()
