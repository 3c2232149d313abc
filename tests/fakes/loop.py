"""The built-in loop with a few tools, driven by a model that follows a script."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_ai.tools import Tool

from assay.agents.builtin import BuiltinAgent
from assay.agents.protocol import AgentResult, Order
from assay.agents.toolbox import Toolbox
from assay.budgets import ToolPolicy
from assay.config import Budgets
from assay.fault_sections import ToolFaults
from assay.models.prices import Price
from assay.records import RunKey, RunScope
from assay.store.journal import Journal
from assay.store.tape import Tape, read_tapes
from tests.fakes.sources import FakeSource
from tests.fakes.workshop import PROMPT


class Desk:
    """Tools that count how often each was really executed."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    def search(self, query: str) -> list[str]:
        """Search."""
        self.executed.append(query)
        return [f"about {query}"]

    async def slow(self, seconds: float) -> str:
        """Wait."""
        await asyncio.sleep(seconds)
        return "done"

    def broken(self) -> str:
        """Fail."""
        raise RuntimeError("the shard is down")

    def tools(self) -> list[Tool[Any]]:
        return [
            Tool(self.search, name="kb.search"),
            Tool(self.slow, name="slow"),
            Tool(self.broken, name="broken"),
        ]


class Bench:
    """Runs one order on a source, with a tape in a folder."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk()
        self.folder = folder
        self.key = RunKey(
            evaluation_id="e", prompt_id=PROMPT.prompt_id, golden_task_id="t", repeat=1, seed=0
        )

    async def run(
        self,
        source: FakeSource,
        *,
        budgets: Budgets | None = None,
        policy: ToolPolicy | None = None,
        price: Price = Price(),  # noqa: B008 - frozen
        faults: Mapping[str, ToolFaults] | None = None,
    ) -> AgentResult:
        agent = BuiltinAgent(
            name="builtin",
            source=source,
            price=price,
            toolbox=Toolbox(self.desk.tools()),
            budgets=budgets or Budgets(),
            policy=policy or ToolPolicy(),
            attempts=1,
            faults=faults,
        )
        order = Order(
            prompt=PROMPT, input="hello", scope=RunScope(key=self.key, folder=self.folder)
        )
        path = self.folder / "tapes.jsonl"
        taped = read_tapes(path, finished=()).get(self.key.run_id, ())
        with Journal(path) as journal:
            return await agent.run(order, tape=Tape(self.key.run_id, taped, journal))


def search(query: str) -> tuple[str, dict[str, object]]:
    return "kb_search", {"query": query}


def without_time(result: AgentResult) -> dict[str, object]:
    names = set(AgentResult.__dataclass_fields__) - {"latency_s"}
    return {name: getattr(result, name) for name in names}
