"""The MCP servers of a configuration, and all their tools."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from mcp.client import Transport
from pydantic_ai.tools import Tool

from assay.agents.mcp_server import Server
from assay.agents.mcp_transports import NotReached, http, program
from assay.config import Config
from assay.errors import InputError
from assay.mcp_sections import McpServer


@asynccontextmanager
async def mcp_tools(
    config: Config, servers: Mapping[str, McpServer], environ: Mapping[str, str]
) -> AsyncIterator[list[Tool[Any]]]:
    """The tools of all servers, as `server.tool`; the servers are open until the block ends.

    Raises:
        InputError: A variable is not set, a server cannot be reached or offers nonsense.
    """
    async with AsyncExitStack() as stack:
        tools: list[Tool[Any]] = []
        for name, section in servers.items():
            transport = _transport(config, name, section, environ)
            server = Server(name, transport, max_seconds=section.max_seconds)
            stack.push_async_callback(server.close)
            try:
                tools += await server.open()
            except NotReached as why:
                raise InputError(
                    f"the MCP server {name!r}: {why}",
                    path=config.path,
                    mend=_mend(name, section),
                ) from None
        yield tools


def _transport(
    config: Config, name: str, section: McpServer, environ: Mapping[str, str]
) -> Callable[[], Transport]:
    for variable in section.variables:
        value = environ.get(variable, "")
        if not value or not value.isprintable():
            raise InputError(
                f"the MCP server {name!r}: the environment variable {variable} "
                + ("is not set" if not value else "holds a control character"),
                path=config.path,
                mend=f"export {variable}=...",
            )
    if section.command is not None:
        return partial(program, section, folder=config.folder, environ=environ)
    headers = {header: environ[variable] for header, variable in section.headers_env.items()}
    return partial(http, section, headers=headers)


def _mend(name: str, section: McpServer) -> str:
    if section.command is not None:
        return f"start it by hand in the configuration's folder: {' '.join(section.command)[:200]}"
    return f"start it, or correct agent.mcp_servers.{name}.url"
