"""pydantic-ai's toolsets as the tools that they hold when an evaluation opens.

They are asked once: what is offered must be the same in every run, or the runs' `tools_hash`
would say too little.
"""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import RunContext, Tool
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_ai.usage import RunUsage

from assay.agents.toolbox import Listed
from assay.errors import InputError

MAX_WORDS = 500


async def opened_tools(listed: Iterable[Listed], stack: AsyncExitStack) -> list[Tool[Any]]:
    """All of them as tools; toolsets stay open until the stack is closed.

    Raises:
        InputError: A toolset cannot be opened or asked for its tools.
    """
    tools: list[Tool[Any]] = []
    for each in listed:
        if isinstance(each, Tool):
            tools.append(each)
        else:
            tools += await _tools_of(each, stack)
    return tools


async def _tools_of(toolset: AbstractToolset[Any], stack: AsyncExitStack) -> list[Tool[Any]]:
    nobody: RunContext[Any] = RunContext(deps=None, model=TestModel(), usage=RunUsage())
    try:
        await stack.enter_async_context(toolset)
        found = await toolset.get_tools(nobody)
    except Exception as error:
        raise InputError(
            f"agent.tools: {toolset.label} cannot be asked for its tools: "
            f"{type(error).__name__}: {str(error)[:MAX_WORDS]}",
            mend="a toolset is asked once, before the runs: it must not need one",
        ) from error
    return [_tool(name, item, toolset) for name, item in found.items()]


def _tool(name: str, item: ToolsetTool[Any], toolset: AbstractToolset[Any]) -> Tool[Any]:
    if item.tool_def.kind == "external":
        raise InputError(
            f"agent.tools: {name} is executed outside of the agent",
            mend="give it a function: an evaluation waits for nobody",
        )

    async def call(ctx: RunContext[Any], /, **arguments: Any) -> Any:
        return await toolset.call_tool(name, arguments, ctx, item)

    tool = Tool.from_schema(
        call,
        name=name,
        description=item.tool_def.description,
        json_schema=item.tool_def.parameters_json_schema,
        takes_ctx=True,
        args_validator=item.args_validator_func,
    )
    tool.strict = item.tool_def.strict
    # Its own validator, which also makes models and dates of what the model wrote.
    tool.function_schema.validator = item.args_validator  # type: ignore[assignment]
    return tool
