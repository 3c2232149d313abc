"""An agent that is a program: one JSON object in on standard input, one answer out."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from assay.agent_sections import BASE_URL, PLACEHOLDER, CommandSection
from assay.agents.answer import MAX_ANSWER_BYTES, Failed, Rubbish, read_answer, result_of
from assay.agents.child import LAST_WORDS_S, Child, not_started, spawn
from assay.agents.foreign import Foreign
from assay.agents.pool import Pool, start_talk
from assay.agents.pooled import PooledAgent
from assay.agents.protocol import Agent, AgentResult, Line, Order
from assay.agents.request import request_of
from assay.config import Budgets, Config
from assay.errors import InputError
from assay.records import StopReason
from assay.store.tape import Tape

_CHUNK_BYTES = 65_536


@asynccontextmanager
async def open_command_agent(
    config: Config, section: CommandSection, code: str, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Agent]:
    """The configured program: started for each run, or a pool of it.

    Raises:
        InputError: There is no such program.
    """
    command = find_command(config, section)
    if section.pool is None:
        yield CommandAgent(
            section,
            command,
            folder=config.folder,
            budgets=config.budgets,
            code=code,
            environ=environ,
        )
        return
    start = partial(start_talk, command, config.folder, environ)
    pool = Pool(start, size=section.pool, shared=False)
    try:
        yield PooledAgent(section, pool=pool, budgets=config.budgets, code=code)
    finally:
        await pool.close()


class CommandAgent(Foreign):
    """Starts a program for each run.

    Args:
        section: Of the configuration.
        command: The program, found, and its arguments.
        folder: Where it runs.
        budgets: Limits of each run.
        code: Hash of the agent's own code.
        environ: The program's environment; None for our own.
    """

    def __init__(
        self,
        section: CommandSection,
        command: Sequence[str],
        *,
        folder: Path,
        budgets: Budgets,
        code: str,
        environ: Mapping[str, str] | None,
    ) -> None:
        super().__init__(section, code=code)
        self._command = command
        self._environ = environ
        self._folder = folder
        self._budgets = budgets
        self._is_text = section.output == "text"

    async def run(self, order: Order, *, tape: Tape) -> AgentResult:  # noqa: ARG002 - made anew
        """Make one run."""
        order.watch.start()
        answer = await self._answer(order)
        return result_of(
            answer,
            budgets=order.checked(self._budgets),
            latency_s=order.watch.elapsed_s(),
        )

    async def _answer(self, order: Order) -> Mapping[str, Any] | Failed:
        request = json.dumps(request_of(order, self._budgets)).encode() + b"\n"
        try:
            child = await self._start(order.line)
        except OSError as refused:
            return Failed(StopReason.AGENT_ERROR, not_started(refused))
        try:
            async with order.watch.limit(self._budgets.max_seconds):
                printed = await _converse(child, request)
        except TimeoutError:
            return Failed(StopReason.MAX_SECONDS)
        finally:
            await child.kill()
        if printed is None:
            problem = f"its answer is longer than {MAX_ANSWER_BYTES:,} bytes"
            return Failed(StopReason.AGENT_ERROR, problem)
        if child.exit_code != 0:
            return Failed(StopReason.AGENT_ERROR, child.how_it_ended)
        return self._read(printed, child)

    async def _start(self, line: Line | None) -> Child:
        command, environ = self._command, self._environ
        if line is not None:
            command = [PLACEHOLDER.sub(partial(_base_url, line), word) for word in command]
            environ = {**(environ or {}), **line.environment}
        return await spawn(
            command, folder=self._folder, max_line_bytes=_CHUNK_BYTES, environ=environ
        )

    def _read(self, printed: bytes, child: Child) -> Mapping[str, Any] | Failed:
        if self._is_text:
            return {"output": printed.decode(errors="replace").removesuffix("\n")}
        try:
            return read_answer(printed)
        except Rubbish as why:
            said = f"its standard output is {why}; {child.last_words}"
            return Failed(StopReason.AGENT_ERROR, said.removesuffix("; "))


async def _converse(child: Child, request: bytes) -> bytes | None:
    """All that the program prints until it ends; None as soon as that is too much."""
    printed = bytearray()
    tell = asyncio.create_task(_tell(child, request))
    read = asyncio.create_task(_read_all(child, printed))
    end = asyncio.create_task(child.exited())
    try:
        await asyncio.wait({read, end}, return_when=asyncio.FIRST_COMPLETED)
        if not read.done():  # it has ended, but what it left behind may hold its output
            child.kill_group()
            await asyncio.wait({read}, timeout=LAST_WORDS_S)
        if len(printed) > MAX_ANSWER_BYTES:
            return None
        await end
        return bytes(printed)
    finally:
        for task in (tell, read, end):
            task.cancel()


async def _tell(child: Child, request: bytes) -> None:
    try:
        child.stdin.write(request)
        await child.stdin.drain()
        child.stdin.close()
    except (ConnectionError, RuntimeError):
        return  # a program need not read what it is told


async def _read_all(child: Child, printed: bytearray) -> None:
    while (chunk := await child.stdout.read(_CHUNK_BYTES)) and len(printed) <= MAX_ANSWER_BYTES:
        printed += chunk


def _base_url(line: Line, found: re.Match[str]) -> str:
    """Other words in double braces are the program's own."""
    return line.base_url if found.group(1) == BASE_URL else found.group()


def find_command(config: Config, section: CommandSection) -> tuple[str, ...]:
    """The command with its program's path; one with a slash is looked for from the folder."""
    program, *arguments = section.command
    path = str(config.folder / program) if "/" in program else program
    if (found := shutil.which(path)) is None:
        raise InputError(
            f"agent.command: there is no program {program!r}",
            path=config.path,
            mend="install it, or write its path from the configuration's folder",
        )
    return found, *arguments
