"""One MCP server: started once for an evaluation, started again when it dies.

A call that its server did not survive fails as every tool may, and the model is told. A server
that cannot be reached again is no fault of the prompt: `ToolsGone` makes the run an
`infra_error`.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from mcp import MCPError
from mcp.client import Transport
from mcp_types import Tool as Offered
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.tools import Tool

from assay.agents.mcp_connection import Closed, Connection, words
from assay.agents.mcp_content import content_of
from assay.agents.mcp_transports import NotReached
from assay.agents.toolbox import ToolsGone

MAX_TOOLS = 500
MAX_SCHEMA_CHARS = 100_000
MAX_NAME_CHARS = 128
TRIES_AFTER_S = (0.0, 0.5, 2.0)
"""A server that is being deployed anew is back in a moment."""


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
            except NotReached as refused:
                why = str(refused)
                continue
            if offered == self._offered:
                return connection
            await connection.close()
            why = "it offers other tools than at the start"
        raise ToolsGone(f"the MCP server {self.name!r} is gone: {why}")

    async def _connect(self) -> tuple[Connection, list[Offered]]:
        connection = Connection(self._transport())
        try:
            await connection.opened(self._max_seconds)
            async with asyncio.timeout(self._max_seconds):
                offered = await connection.tools()
            _check(offered)
        except BaseException as error:
            await connection.close()
            if isinstance(error, NotReached) or not isinstance(error, Exception):
                raise
            raise NotReached(f"it does not tell its tools: {words(error)}") from error
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


def _check(offered: list[Offered]) -> None:
    if len(offered) > MAX_TOOLS:
        raise NotReached(f"it offers {len(offered):,} tools")
    for each in offered:
        name = each.name
        if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise NotReached(f"it offers a tool with the name {name[:80]!r}")
        size = len(json.dumps(each.input_schema)) + len(each.description or "")
        if size > MAX_SCHEMA_CHARS:
            raise NotReached(f"its tool {name!r} has a description of {size:,} characters")
