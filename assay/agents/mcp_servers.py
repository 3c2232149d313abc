"""The tools of MCP servers: started once for an evaluation, started again when one dies.

A call that its server did not survive fails as every tool may, and the model is told. A server
that cannot be reached again is no fault of the prompt: `ToolsGone` makes the run an
`infra_error`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from mcp import MCPError
from mcp.client import Transport
from mcp_types import CallToolResult, EmbeddedResource, ResourceLink, TextContent
from mcp_types import Tool as Offered
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.tools import Tool

from assay.agents.mcp_connection import Closed, Connection
from assay.agents.mcp_transports import NotReached, http, program
from assay.agents.toolbox import ToolsGone
from assay.config import Config
from assay.errors import InputError
from assay.mcp_sections import McpServer

MAX_RESULT_CHARS = 1_000_000
MAX_SCHEMA_CHARS = 100_000
MAX_NAME_CHARS = 128
TRIES_AFTER_S = (0.0, 0.5, 2.0)
"""A server that is being deployed anew is back in a moment."""


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


class Server:
    """One server, whatever becomes of its connection.

    Args:
        name: In the configuration.
        transport: Makes a new way to it.
        max_seconds: For its start, and for each call.
    """

    def __init__(
        self, name: str, transport: Callable[[], Transport], *, max_seconds: float
    ) -> None:
        self.name = name
        self._transport = transport
        self._max_seconds = max_seconds
        self._connection: Connection | None = None
        self._offered: list[Offered] | None = None
        self._mending = asyncio.Lock()

    async def open(self) -> list[Tool[Any]]:
        """Start it; what it offers.

        Raises:
            NotReached: It cannot be started, or it offers what cannot be offered on.
        """
        self._connection, self._offered = await self._connect()
        return [self._tool(offered) for offered in self._offered]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        """One call's result.

        Raises:
            ToolFailed: It failed; the words are for the model.
            ToolsGone: The server cannot be reached any more.
        """
        connection = self._connection or await self._mended(None)
        try:
            async with asyncio.timeout(self._max_seconds):
                result = await connection.call(tool, arguments)
        except TimeoutError:
            raise ToolFailed(f"There was no answer within {self._max_seconds:g} s.") from None
        except MCPError as refused:
            raise ToolFailed(refused.message) from None
        except Closed:
            await self._mended(connection)
            raise ToolFailed("The tool broke down; whether it did anything is unknown.") from None
        return content_of(result)

    async def close(self) -> None:
        """End it, if it is ours; else take leave of it."""
        if self._connection is not None:
            await self._connection.close()

    async def _mended(self, broken: Connection | None) -> Connection:
        """A working connection instead of a broken one; of several calls the first makes it."""
        async with self._mending:
            if self._connection is not None and self._connection is not broken:
                return self._connection
            self._connection = None
            if broken is not None:
                await broken.close()
            self._connection = await self._again()
            return self._connection

    async def _again(self) -> Connection:
        for pause in TRIES_AFTER_S:
            await asyncio.sleep(pause)
            try:
                connection, offered = await self._connect()
            except NotReached as why:
                words = str(why)
                continue
            if offered == self._offered:
                return connection
            await connection.close()
            words = "it offers other tools than at the start"
        raise ToolsGone(f"the MCP server {self.name!r} is gone: {words}")

    async def _connect(self) -> tuple[Connection, list[Offered]]:
        connection = Connection(self._transport())
        try:
            await connection.opened(self._max_seconds)
            async with asyncio.timeout(self._max_seconds):
                offered = await connection.tools()
            for each in offered:
                _check(each)
        except BaseException as error:
            await connection.close()
            if isinstance(error, TimeoutError | MCPError | Closed):
                raise NotReached(f"it does not tell its tools: {error}") from error
            raise
        return connection, offered

    def _tool(self, offered: Offered) -> Tool[Any]:
        async def call(**arguments: Any) -> Any:
            return await self.call(offered.name, arguments)

        return Tool.from_schema(
            call,
            name=f"{self.name}.{offered.name}",
            description=offered.description,
            json_schema=offered.input_schema,
        )


def content_of(result: CallToolResult) -> Any:
    """What a call gave, for the model: its data where there is some, else its texts.

    Raises:
        ToolFailed: The tool says that it failed, or says too much.
    """
    texts = "\n".join(map(_text, result.content))
    if result.is_error:
        raise ToolFailed(texts or "The tool failed.")
    content = texts if result.structured_content is None else result.structured_content
    if isinstance(content, dict) and content.keys() == {"result"}:
        content = content["result"]  # how plain values are wrapped
    if (size := len(json.dumps(content))) > MAX_RESULT_CHARS:
        raise ToolFailed(f"The answer has {size:,} characters; {MAX_RESULT_CHARS:,} are taken.")
    return content


def _text(block: object) -> str:
    match block:
        case TextContent(text=text):
            return text
        case ResourceLink(uri=uri):
            return uri
        case EmbeddedResource(resource=resource):
            return str(getattr(resource, "text", "[binary data]"))
    return f"[{getattr(block, 'type', 'unknown')}]"


def _check(offered: Offered) -> None:
    name = offered.name
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise NotReached(f"it offers a tool with the name {name[:80]!r}")
    size = len(json.dumps(offered.input_schema)) + len(offered.description or "")
    if size > MAX_SCHEMA_CHARS:
        raise NotReached(f"its tool {name!r} has a description of {size:,} characters")


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
