"""The tools that a configuration offers, with the servers that they live in."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from pydantic_ai.tools import Tool

from assay.agent_sections import BuiltinSection
from assay.agents.recorded_world import check_same_world, recorded_tools
from assay.agents.toolbox import Toolbox, load_tools
from assay.agents.toolsets import opened_tools
from assay.config import Config
from assay.errors import InputError
from assay.store.replay import OpenReplay


@asynccontextmanager
async def open_toolbox(
    config: Config, section: BuiltinSection, replay: OpenReplay | None = None
) -> AsyncIterator[Toolbox]:
    """The configured tools, as far as they are allowed, with the servers that they live in.

    Where a record answers for the tools, no server is started.

    Raises:
        InputError: The tools cannot be imported, a server of tools cannot be had, or the
            configuration names a tool that is not there.
    """
    async with AsyncExitStack() as stack:
        listed = [] if config.tools_path is None else load_tools(config.tools_path)
        if replay is not None:
            tools = recorded_tools(listed, replay.header)
        else:
            tools = await opened_tools(listed, stack)
            if section.mcp_servers:
                tools += await stack.enter_async_context(_mcp_tools(config, section))
        toolbox = Toolbox(tools, allowed=section.allowed_tools, blocked=section.blocked_tools)
        if replay is not None:
            check_same_world(config, toolbox, replay)
        _refuse_unknown_tools(config, section, toolbox.names)
        yield toolbox


async def offered_tools(config: Config, section: BuiltinSection) -> list[str]:
    """The names of the tools that a run would be offered; servers are started and ended.

    Raises:
        InputError: As `open_toolbox`.
    """
    async with open_toolbox(config, section) as toolbox:
        return [toolbox.name(tool.name) for tool in toolbox.definitions]


def _mcp_tools(
    config: Config, section: BuiltinSection
) -> AbstractAsyncContextManager[list[Tool[Any]]]:
    try:
        from assay.agents.mcp_servers import mcp_tools  # a second, and an extra
    except ModuleNotFoundError as missing:
        raise InputError(
            f"agent.mcp_servers needs the package {str(missing.name).partition('.')[0]}",
            path=config.path,
            mend="pip install 'assay[mcp]'",
        ) from None
    return mcp_tools(config, section.mcp_servers, os.environ)


def _refuse_unknown_tools(config: Config, section: BuiltinSection, tools: frozenset[str]) -> None:
    """A limit on a tool that is not there would limit nothing, a fault of it would be none."""
    limits = ("allowed_tools", "blocked_tools", "max_calls_per_tool")
    named = {f"agent.{key}": getattr(section, key) or () for key in limits}
    for key, names in (named | {"testing.faults": config.testing.faults}).items():
        for name in names:
            if name not in tools:
                raise InputError(
                    f"{key} names {name!r}, which is not a tool",
                    path=config.path,
                    mend=f"the tools are: {', '.join(sorted(tools)) or 'none'}",
                )
