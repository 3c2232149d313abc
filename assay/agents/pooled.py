"""An agent in processes that live on: what Python functions and pools of commands share."""

from assay.agent_sections import CommandSection, PythonSection
from assay.agents.answer import result_of
from assay.agents.foreign import Foreign
from assay.agents.pool import Pool
from assay.agents.protocol import AgentResult, Order
from assay.agents.request import request_of
from assay.config import Budgets
from assay.store.tape import Tape


class PooledAgent(Foreign):
    """Runs golden tasks in a pool of processes.

    Args:
        section: Of the configuration.
        pool: Its processes.
        budgets: Limits of each run.
        code: Hash of the agent's own code.
    """

    def __init__(
        self, section: PythonSection | CommandSection, *, pool: Pool, budgets: Budgets, code: str
    ) -> None:
        super().__init__(section, code=code, max_concurrency=pool.max_runs)
        self._pool = pool
        self._budgets = budgets

    async def run(self, order: Order, *, tape: Tape) -> AgentResult:  # noqa: ARG002 - made anew
        """Make one run."""
        made = await self._pool.make(
            order.scope.key.run_id,
            request_of(order, self._budgets),
            max_seconds=self._budgets.max_seconds,
            watch=order.watch,
        )
        return result_of(
            made.answer,
            budgets=order.checked(self._budgets),
            latency_s=made.latency_s,
            attempts=made.attempts,
        )
