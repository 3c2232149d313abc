"""The simulation on the sample workspace: the reference incident, in the size it was reported."""

import statistics
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters

from assay.agents.toolbox import Toolbox, load_tools
from assay.checks import Observed, assess
from assay.config import load_config
from assay.golden import GoldenTask, load_golden
from assay.models.scripted import ScriptedModel
from assay.prompts import PromptVersion, load_prompt, system_prompt
from assay.records import RunKey, RunScope
from support_desk import tools
from tests.fakes.small_shop import Talk, converse

ROOT = Path(tools.__file__).parents[1]
TOOLBOX = Toolbox(load_tools(ROOT / "support_desk" / "tools.py"))
PARAMETERS = ModelRequestParameters(function_tools=TOOLBOX.definitions)
GOLDEN = load_golden(load_config(ROOT / "assay.yaml", {}))
REPEATS = 4

pytestmark = pytest.mark.slow


@dataclass
class _Desk:
    scope: RunScope
    model: Model

    async def answer(self, call: ToolCallPart) -> ToolReturnPart:
        return await TOOLBOX.call(call, scope=self.scope, model=self.model)


@dataclass(frozen=True)
class _Arm:
    talks: list[tuple[GoldenTask, Talk]]

    @property
    def mean_calls(self) -> float:
        return statistics.mean(len(talk.calls) for _, talk in self.talks)

    @property
    def mean_tokens(self) -> float:
        return statistics.mean(talk.total_tokens for _, talk in self.talks)

    @property
    def p95_tokens(self) -> float:
        return statistics.quantiles((talk.total_tokens for _, talk in self.talks), n=20)[-1]

    @property
    def success_share(self) -> float:
        return statistics.mean(_succeeds(task, talk) for task, talk in self.talks)


def _succeeds(task: GoldenTask, talk: Talk) -> bool:
    observed = Observed(
        output=talk.output,
        stop_reason="finish",
        steps=len(talk.batches) + 1,
        tool_calls=len(talk.calls),
        total_tokens=talk.total_tokens,
        latency_s=None,
        spend_usd=None,
        calls=[{"tool": TOOLBOX.name(name), "arguments": args} for name, args in talk.calls],
    )
    return assess(task, observed).success is True


def _opening(prompt: PromptVersion, task: GoldenTask) -> list[ModelMessage]:
    messages: list[ModelMessage] = [ModelRequest(parts=[SystemPromptPart(system_prompt(prompt))])]
    said = [{"role": "user", "content": task.input}] if isinstance(task.input, str) else task.input
    for each in said:
        if each["role"] == "assistant":
            messages.append(ModelResponse(parts=[TextPart(each["content"])]))
        else:
            messages.append(ModelRequest(parts=[UserPromptPart(each["content"])]))
    return messages


async def _arm(version: str, folder: Path, *, seed: int = 0) -> _Arm:
    prompt = load_prompt(ROOT / "prompts", f"support:{version}")
    talks = []
    for task in GOLDEN:
        for repeat in range(1, REPEATS + 1):
            key = RunKey(
                evaluation_id="e",
                prompt_id=prompt.prompt_id,
                golden_task_id=task.id,
                repeat=repeat,
                seed=seed,
            )
            model = ScriptedModel(key)
            desk = _Desk(RunScope(key=key, folder=folder), model)
            opening = _opening(prompt, task)
            talks.append((task, await converse(model, opening, shop=desk, parameters=PARAMETERS)))
    return _Arm(talks)


async def test_the_incident_has_the_size_that_was_reported(tmp_path: Path) -> None:
    """4 -> 11 tool calls and 7.5k -> 14k p95 tokens, while every answer stays right."""
    v13, v14 = await _arm("v13", tmp_path), await _arm("v14", tmp_path)
    assert 3.4 < v13.mean_calls < 4.6
    assert 9.5 < v14.mean_calls < 13
    assert 6_400 < v13.p95_tokens < 9_000
    assert 12_000 < v14.p95_tokens < 17_000
    assert v13.success_share >= 0.97
    assert v14.success_share >= 0.97


async def test_the_fix_costs_what_the_baseline_costs(tmp_path: Path) -> None:
    """At most 3 % dearer; two standard errors of 4 % are allowed for so few repeats."""
    v13, v15 = await _arm("v13", tmp_path), await _arm("v15", tmp_path)
    assert v15.mean_tokens / v13.mean_tokens < 1.03 + 0.08
    assert v15.success_share >= 0.97
