"""One connection to an MCP server.

A task of its own opens and closes it, for the library wants both in one task, while a broken
connection is replaced from whichever run finds it broken.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from mcp import Client, MCPError
from mcp.client import Transport
from mcp_types import CONNECTION_CLOSED, CallToolResult, Implementation, Tool

from assay.agents.mcp_transports import NotReached
from assay.wording import one_line

MAX_PAGES = 20
MAX_WORDS = 500
CLOSE_S = 10.0
_SESSION_LOST = "Session terminated"


class Closed(Exception):
    """The connection ended before the answer."""


class Connection:
    """A connection under way; `close` it in the end.

    Args:
        transport: How the server is reached; not entered.
    """

    def __init__(self, transport: Transport) -> None:
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._hold(transport))

    async def opened(self, max_seconds: float) -> None:
        """Wait until the server has answered.

        Raises:
            NotReached: It has not, or cannot.
        """
        await asyncio.wait({self._ready}, timeout=max_seconds)
        if not self._ready.done():
            raise NotReached(f"it did not answer within {max_seconds:g} s")
        try:
            await self._ready
        except NotReached:
            raise
        except Exception as error:
            raise NotReached(words(error)) from error

    async def tools(self) -> list[Tool]:
        """What it offers."""
        client, found, cursor = await self._ready, [], None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if cursor is None:
                return found
        raise NotReached("its list of tools does not end")

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> CallToolResult:
        """Make one call.

        Raises:
            Closed: The connection ended before the answer.
            MCPError: The server refuses.
        """
        client = await self._ready
        try:
            return await client.call_tool(tool, dict(arguments))
        except MCPError as error:
            if error.code == CONNECTION_CLOSED or error.message == _SESSION_LOST:
                raise Closed from error
            raise

    async def close(self) -> None:
        """End it, and the program that it may have started."""
        self._over.set()
        if not self._ready.done():
            self._task.cancel()
        await asyncio.wait({self._task}, timeout=CLOSE_S)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=CLOSE_S)

    async def _hold(self, transport: Transport) -> None:
        about = Implementation(name="assay", version="1")
        try:
            async with Client(transport, cache=None, client_info=about) as client:
                self._ready.set_result(client)
                await self._over.wait()
        except Exception as error:  # noqa: BLE001 - a server may do anything
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            self._ready.cancel()  # does nothing where there is an outcome


def words(error: BaseException) -> str:
    """The first error of a group, as one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return one_line(f"{type(error).__name__}: {error}", max_chars=MAX_WORDS)
