"""The two ways to an MCP server: a program's standard streams, and streamable HTTP.

The program is a `Child` as every other that we start: its lines are bounded, what it says on
standard error is kept for the message, and it is killed with its children.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx2
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from assay.agents.child import Child, not_started, spawn
from assay.mcp_sections import McpServer

MAX_MESSAGE_BYTES = 8_000_000
GRACE_S = 2.0
"""For a program to end by itself once its input has ended."""

Streams = tuple[Any, Any]
"""Messages from the server and to it; mcp has no public name for their types."""


class NotReached(Exception):
    """A server could not be started or did not answer; the message says why."""


@asynccontextmanager
async def program(
    section: McpServer, *, folder: Path, environ: Mapping[str, str]
) -> AsyncIterator[Streams]:
    """A program's standard streams; the program ends with the block.

    Raises:
        NotReached: It cannot be started, or ended by itself before the block did with an error.
    """
    seen = get_default_environment() | {name: environ[name] for name in section.env_from}
    try:
        child = await spawn(
            section.command or (), folder=folder, max_line_bytes=MAX_MESSAGE_BYTES, environ=seen
        )
    except OSError as refused:
        raise NotReached(not_started(refused)) from None
    over = False
    try:
        async with _streams_of(child) as streams:
            yield streams
    except Exception as error:
        await asyncio.wait({asyncio.create_task(child.exited())}, timeout=0.5)
        over = child.exit_code is not None
        if not over:
            raise
        await child.kill()
        raise NotReached(f"it ended: {child.how_it_ended}") from error
    finally:
        if not over:
            await _end(child)


@asynccontextmanager
async def http(section: McpServer, *, headers: Mapping[str, str]) -> AsyncIterator[Streams]:
    """Streamable HTTP with these headers."""
    client = httpx2.AsyncClient(
        headers=dict(headers),
        timeout=httpx2.Timeout(section.max_seconds, read=None),  # each call has its own time
        event_hooks={"response": [_bound]},
    )
    async with client, streamable_http_client(section.url or "", http_client=client) as streams:
        yield streams


@asynccontextmanager
async def _streams_of(child: Child) -> AsyncIterator[Streams]:
    inbox, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outbox, requests = anyio.create_memory_object_stream[SessionMessage](0)
    async with inbox, messages, outbox, requests, anyio.create_task_group() as tasks:
        tasks.start_soon(_read, child.stdout, inbox)
        tasks.start_soon(_write, child.stdin, requests)
        yield messages, outbox
        tasks.cancel_scope.cancel()


async def _read(
    stdout: asyncio.StreamReader, inbox: MemoryObjectSendStream[SessionMessage | Exception]
) -> None:
    """Pass on each line that is a message; programs print what they like between them.

    A line that is too long ends the connection, as the program's end does.
    """
    async with inbox:
        with suppress(ValueError, anyio.BrokenResourceError):
            while line := await stdout.readline():
                with suppress(ValueError):
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                    await inbox.send(SessionMessage(message))


async def _write(
    stdin: asyncio.StreamWriter, requests: MemoryObjectReceiveStream[SessionMessage]
) -> None:
    async with requests:
        with suppress(OSError):  # it is gone: the reader sees the same
            async for request in requests:
                line = request.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(line.encode() + b"\n")
                await stdin.drain()


async def _end(child: Child) -> None:
    """In peace if it obeys; killed in any case, also when this is cut short."""
    try:
        child.stdin.close()
        await asyncio.wait({asyncio.create_task(child.exited())}, timeout=GRACE_S)
    finally:
        child.kill_group()
        await child.kill()


async def _bound(response: httpx2.Response) -> None:
    """An answer is bounded; the stream of notifications, which is a GET, may go on for ever."""
    if response.request.method == "POST" and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_MESSAGE_BYTES
        async for chunk in self._inner:
            if (left := left - len(chunk)) < 0:
                raise httpx2.ReadError("the answer is too long")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
