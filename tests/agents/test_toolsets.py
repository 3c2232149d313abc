"""The tools file: functions, tools and toolsets, offered under one roof."""

from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.models.test import TestModel

from assay.agents.offered_tools import open_toolbox
from assay.agents.toolbox import Toolbox
from assay.errors import InputError
from assay.records import RunKey, RunScope
from tests.fakes.workshop import Workshop

KEY = RunKey(evaluation_id="e", prompt_id="p", golden_task_id="t", repeat=1, seed=0)
SCOPE = RunScope(key=KEY, folder=Path())
TOOLS = '''
from datetime import date

from pydantic_ai import ModelRetry, RunContext, Tool
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.toolsets import FunctionToolset

opened = []


def plain(text: str) -> str:
    """Say it again."""
    return text


def due(ctx: RunContext, on: date, days: int = 7) -> str:
    """When it is due."""
    return f"{on.toordinal() + days} {ctx.deps.key.golden_task_id}"


def give_up() -> str:
    """Fail for good."""
    raise ToolFailed("there is no such thing")


def small(ctx: RunContext, amount: int) -> None:
    if amount > 10:
        raise ModelRetry("too much")


def refund(amount: int) -> str:
    """Pay back."""
    opened.append(amount)
    return f"paid {amount}"


class Counted(FunctionToolset):
    async def __aenter__(self):
        opened.append("in")
        return await super().__aenter__()

    async def __aexit__(self, *args):
        opened.append("out")
        return await super().__aexit__(*args)


def status() -> list:
    """What happened."""
    return opened


TOOLS = [
    plain,
    Tool(refund, name="bank.refund", args_validator=small),
    Counted([due, give_up]).prefixed("lib"),
    FunctionToolset([status]),
]
'''


async def call(toolbox: Toolbox, name: str, **arguments: Any) -> ToolReturnPart:
    return await toolbox.call(ToolCallPart(name, arguments), scope=SCOPE, model=TestModel())


def agent(**keys: Any) -> dict[str, Any]:
    return {"tools": "tools.py", **keys}


async def test_functions_tools_and_toolsets_are_offered_together(workshop: Workshop) -> None:
    """A toolset is opened for the evaluation, and its tools know the run that they serve."""
    workshop.write("tools.py", TOOLS)
    config = workshop.config(agent())
    async with open_toolbox(config, config.agent) as toolbox:  # type: ignore[arg-type]
        assert toolbox.names == {"plain", "bank.refund", "lib_due", "lib_give_up", "status"}
        assert (await call(toolbox, "lib_due", on="2026-11-25")).content == "739952 t"
        assert (await call(toolbox, "lib_due", on="soon")).outcome == "retried"
        failed = await call(toolbox, "lib_give_up")
        assert (failed.outcome, failed.content) == ("failed", "there is no such thing")
        said = (await call(toolbox, "status")).content
        assert said == ["in"]
    assert said == ["in", "out"]


async def test_a_tool_s_own_check_of_its_arguments_is_heeded(workshop: Workshop) -> None:
    """Production would not have made this call."""
    workshop.write("tools.py", TOOLS)
    config = workshop.config(agent())
    async with open_toolbox(config, config.agent) as toolbox:  # type: ignore[arg-type]
        refused = await call(toolbox, "bank_refund", amount=11)
        assert (refused.outcome, refused.content) == ("retried", "too much")
        assert (await call(toolbox, "bank_refund", amount=10)).content == "paid 10"


async def test_a_tool_that_is_not_offered_cannot_be_called_but_keeps_its_name(
    workshop: Workshop,
) -> None:
    """A model may know it from elsewhere; reports name it as its author did."""
    workshop.write("tools.py", TOOLS)
    whole = workshop.config(agent())
    async with open_toolbox(whole, whole.agent) as toolbox:  # type: ignore[arg-type]
        whole_hash = toolbox.tools_hash
    config = workshop.config(agent(blocked_tools=["bank.refund"]))
    async with open_toolbox(config, config.agent) as toolbox:  # type: ignore[arg-type]
        assert "bank_refund" not in {each.name for each in toolbox.definitions}
        assert toolbox.name("bank_refund") == "bank.refund"
        answer = await call(toolbox, "bank_refund", amount=1)
        assert (answer.outcome, answer.content) == ("failed", "There is no tool 'bank_refund'.")
        assert toolbox.tools_hash != whole_hash


@pytest.mark.parametrize(
    ("text", "keys", "words"),
    [
        (TOOLS, {"blocked_tools": ["refund"]}, "agent.blocked_tools names 'refund', which is not"),
        ("def a(): 'A.'\nTOOLS = [a, a]", {}, "two tools are named 'a'"),
        (
            "from pydantic_ai.toolsets import ExternalToolset\n"
            "from pydantic_ai.tools import ToolDefinition\n"
            "TOOLS = [ExternalToolset([ToolDefinition(name='a')])]",
            {},
            "a is executed outside of the agent",
        ),
        (
            "from pydantic_ai.toolsets import FunctionToolset\n"
            "class Late(FunctionToolset):\n"
            "    async def get_tools(self, ctx): return ctx.deps.key\n"
            "TOOLS = [Late()]",
            {},
            "cannot be asked for its tools: AttributeError: ",
        ),
        ("TOOLS = [7]", {}, "TOOLS holds a int\n  mend: put functions, Tool(...) or toolsets"),
    ],
)
async def test_tools_that_cannot_be_offered_are_the_user_s_mistake(
    workshop: Workshop, text: str, keys: dict[str, Any], words: str
) -> None:
    """Before any run."""
    workshop.write("tools.py", text)
    config = workshop.config(agent(**keys))
    with pytest.raises(InputError) as error:
        async with open_toolbox(config, config.agent):  # type: ignore[arg-type]
            pass
    assert words in str(error.value)
