"""A provider that refuses and forgets loses no run of an evaluation, and none is made twice.

How long that takes beside a plain loop is measured by `bench/load.py`.
"""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from assay.evaluation import open_evaluation
from assay.records import RunRecord
from tests.carrying_out import planned, runs_of
from tests.fakes.faulty_provider import FaultyProvider

TASKS, REPEATS = 20, 6
RUNS = 2 * TASKS * REPEATS
HTTP_BODY = {"messages": [{"role": "user", "content": "{{prompt_text}} {{input}}"}]}
AGENTS = {
    "builtin": lambda url: {"model": "faulty", "base_url": url},
    "http": lambda url: {
        "kind": "http",
        "url": f"{url}/chat/completions",
        "body": HTTP_BODY,
        "response": {
            "output": "choices[0].message.content",
            "total_tokens": "usage.total_tokens",
        },
    },
}


def workspace(folder: Path, agent: dict[str, Any], **execution: Any) -> Path:
    """Two prompts, twenty golden tasks, and this agent."""
    (folder / "prompts" / "a").mkdir(parents=True)
    (folder / "prompts" / "a" / "v1.md").write_text("Answer.\n")
    (folder / "prompts" / "a" / "v2.md").write_text("Answer well.\n")
    (folder / "golden").mkdir()
    tasks = ({"id": f"t{n}", "input": "Is the bearing sealed?"} for n in range(TASKS))
    (folder / "golden" / "a.jsonl").write_text("".join(json.dumps(t) + "\n" for t in tasks))
    config = {
        "prompts": {"active": "a:v1", "rollback": "a:v1"},
        "testing": {"repeats": REPEATS, "rounds": [REPEATS]},
        "agent": agent,
        "execution": execution,
    }
    (folder / "assay.yaml").write_text(json.dumps(config))
    return folder


async def evaluated(folder: Path, *, at_once: int = 16) -> list[RunRecord]:
    plan = planned(folder, "v2")
    async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=at_once) as evaluation:
        for this_round in evaluation.rounds():
            await asyncio.gather(*runs_of(evaluation, this_round))
        return evaluation.folder.finished_runs()


@pytest.mark.parametrize("kind", AGENTS)
async def test_no_run_is_lost_and_every_request_is_accounted_for(tmp_path: Path, kind: str) -> None:
    """A tenth refused, one in fifty never answered: the provider's doing, never the prompt's."""
    async with FaultyProvider(
        refuses=0.1, retry_after="0", forgets=0.02, latency_s=0.01
    ) as provider:
        folder = workspace(tmp_path, AGENTS[kind](provider.base_url), request_timeout_s=2)
        runs = await evaluated(folder)
    assert Counter(run.stop_reason for run in runs) == {"finish": RUNS}
    assert len({run.run_id for run in runs}) == RUNS
    assert sum(run.attempts for run in runs) == provider.counted.total()
    assert provider.counted["answered"] == RUNS
    assert min(provider.counted["refused"], provider.counted["forgotten"]) > 0
    assert sum(run.total_tokens or 0 for run in runs) == 120 * RUNS


@pytest.mark.parametrize("kind", AGENTS)
async def test_the_command_lines_concurrency_reaches_the_provider(
    tmp_path: Path, kind: str
) -> None:
    """`-j 24` must not queue at the config's 16, on the runs' own clocks."""
    async with FaultyProvider(gathers=24) as provider:
        runs = await evaluated(workspace(tmp_path, AGENTS[kind](provider.base_url)), at_once=24)
    assert Counter(run.stop_reason for run in runs) == {"finish": RUNS}
