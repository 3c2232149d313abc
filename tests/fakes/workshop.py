"""A folder with somebody's own agent in it, opened as the configuration says and run."""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil

from assay.agents.opening import open_agent
from assay.agents.protocol import Agent, AgentResult, Order
from assay.config import Config, load_config
from assay.prompts import PromptVersion
from assay.records import RunKey, RunScope
from assay.store.journal import Journal
from assay.store.tape import Tape

PROMPT = PromptVersion("support", "v1", "Answer.", "support:v1:000000000000")


class Workshop:
    """One agent's folder.

    Args:
        folder: Empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        """A file of the agent's; what all its lines are indented by is left out."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def config(
        self, agent: dict[str, Any], *, at_once: int = 4, attempts: int = 1, **budgets: Any
    ) -> Config:
        """The configuration with this agent; JSON is YAML."""
        value = {
            "prompts": {"active": "support:v1", "rollback": "support:v1"},
            "agent": agent,
            "budgets": {"max_seconds": 30} | budgets,
            "execution": {"max_concurrency": at_once, "attempts": attempts},
        }
        return load_config(self.write("assay.yaml", json.dumps(value)), {})

    @asynccontextmanager
    async def opened(self, agent: dict[str, Any], **rest: Any) -> AsyncIterator["Bench"]:
        """The agent, ready for runs."""
        async with open_agent(self.config(agent, **rest)) as opened:
            yield Bench(opened, self.folder)

    async def run(self, agent: dict[str, Any], said: Any = "hello", **rest: Any) -> AgentResult:
        """One run of a freshly opened agent."""
        async with self.opened(agent, **rest) as bench:
            return await bench.run(said)

    @contextmanager
    def leaving_none_behind(self) -> Iterator[None]:
        """Fails when a process that works in this folder outlives the block."""
        yield
        left = [each for each in psutil.process_iter() if self._is_here(each)]
        _, alive = psutil.wait_procs(left, timeout=10)
        assert not alive, [each.cmdline() for each in alive]

    def _is_here(self, process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and Path(process.cwd()) == self.folder
        except psutil.Error:
            return False


class Bench:
    """Runs orders on an open agent."""

    def __init__(self, agent: Agent, folder: Path) -> None:
        self.agent = agent
        self._folder = folder
        self._runs = 0

    async def run(
        self,
        said: Any = "hello",
        *,
        tape: Callable[[Journal], Tape] | None = None,
        **metadata: Any,
    ) -> AgentResult:
        """One run, under an id of its own."""
        self._runs += 1
        key = RunKey(
            evaluation_id="e",
            prompt_id=PROMPT.prompt_id,
            golden_task_id="t",
            repeat=self._runs,
            seed=0,
        )
        order = Order(
            prompt=PROMPT,
            input=said,
            scope=RunScope(key=key, folder=self._folder),
            metadata=metadata,
        )
        with Journal(self._folder / "tapes.jsonl") as journal:
            its_tape = Tape(key.run_id, (), journal) if tape is None else tape(journal)
            return await self.agent.run(order, tape=its_tape)
