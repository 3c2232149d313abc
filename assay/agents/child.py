"""An agent's process: its own session, the end of what it prints kept, killed with its children."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

MAX_TAIL_BYTES = 1_800
LAST_WORDS_S = 1.0
"""For output that is still on its way; a child left behind may hold the pipe for ever."""
_CHECK_S = 0.25
_MARK = "ASSAY_CHILD"
"""A variable that a process hands on to all that it starts, however far from it they end up."""


class Child:
    """One process under way. `kill` it in the end, whatever has become of it.

    Args:
        process: With its three pipes, just started.
        transport: What holds them.
        mark: What it has in its environment, and no other child.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        transport: asyncio.SubprocessTransport,
        *,
        mark: str,
    ) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("the process has no pipes")
        self.stdin, self.stdout = process.stdin, process.stdout
        self._process, self._transport = process, transport
        self._mark, self._started_s = mark, time.time()
        self._tail = bytearray()
        self._printing = asyncio.create_task(self._keep_tail(process.stderr))

    @property
    def exit_code(self) -> int | None:
        """Of an ended process; a signal's is negative."""
        return self._process.returncode

    async def exited(self) -> None:
        """Wait for the process itself, whoever else holds its pipes."""
        while self._process.returncode is None:
            # In some versions of Python, `wait` alone waits for the pipes, too.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _CHECK_S)

    def kill_group(self) -> None:
        """End what is in its group, or left of it: what it started and did not wait for."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def kill(self) -> None:
        """End it and every process that it started, those in sessions of their own, too."""
        for each in self._descendants():
            with suppress(psutil.Error):
                each.kill()
        self.kill_group()
        await self.exited()
        for each in self._left_behind():
            with suppress(psutil.Error):
                each.kill()
        await asyncio.wait({self._printing}, timeout=LAST_WORDS_S)
        self._printing.cancel()
        self._transport.close()

    @property
    def last_words(self) -> str:
        """The end of what it printed on standard error; empty for nothing."""
        text = self._tail.decode(errors="replace").strip()
        return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)

    @property
    def how_it_ended(self) -> str:
        """For people: the exit code or the signal, then its last words."""
        code, words = self.exit_code, self.last_words
        ended = f"exit code {code}" if code is None or code >= 0 else _signal(-code)
        return f"{ended}: {words}" if words else ended

    def _descendants(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            if self._process.returncode is None:
                return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def _left_behind(self) -> Iterator[psutil.Process]:
        """What is in a session of its own and lost its parent before we looked."""
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                # Few are as young; the clock that their age is told by is a coarse one.
                is_young = each.create_time() >= self._started_s - 2
                if is_young and each.environ().get(_MARK) == self._mark:
                    yield each

    async def _keep_tail(self, pipe: asyncio.StreamReader) -> None:
        while chunk := await pipe.read(65_536):
            self._tail += chunk
            del self._tail[:-MAX_TAIL_BYTES]


async def spawn(
    command: Sequence[str],
    *,
    folder: Path,
    max_line_bytes: int,
    environ: Mapping[str, str] | None = None,
) -> Child:
    """Start a program in a folder, without a shell.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        max_line_bytes: Longest line that its output's reader takes.
        environ: All that it sees of the environment; None for everything.

    Raises:
        OSError: It cannot be started.
    """
    loop = asyncio.get_running_loop()
    mark = secrets.token_hex(8)
    # As asyncio.create_subprocess_exec, which keeps the transport to itself: a pipe that a
    # stray process holds must be closed all the same.
    transport, protocol = await loop.subprocess_exec(
        lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=max_line_bytes, loop=loop),
        *command,
        cwd=folder,
        env={**(os.environ if environ is None else environ), _MARK: mark},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # to be killed with its children; and Ctrl-C is ours to handle
    )
    return Child(asyncio.subprocess.Process(transport, protocol, loop), transport, mark=mark)


def not_started(refused: OSError) -> str:
    """Why `spawn` could not, without the system's path."""
    return f"it cannot be started: {refused.strerror or type(refused).__name__}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
