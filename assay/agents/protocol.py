"""What every way to reach an agent offers: one run in, what it did out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from assay.budgets import Stopwatch
from assay.config import Budgets, Config
from assay.prompts import PromptVersion
from assay.records import RunScope
from assay.store.record import RecordHeader
from assay.store.tape import Tape
from assay.tool_schemas import ToolSchemas


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A run's own way to its model, through the recording proxy."""

    base_url: str
    """What the agent's client is to take for its provider."""
    environment: Mapping[str, str]
    """Of a process that is started for this run, so that an unmodified agent finds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run to make: which prompt, on which input, within which scope."""

    prompt: PromptVersion
    input: str | Sequence[dict[str, str]]
    """The customer's text, or chat messages `{role, content}` that end with theirs."""
    scope: RunScope
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The golden task's own."""
    line: Line | None = None
    """None where nobody stands between the agent and its model."""
    watch: Stopwatch = field(default_factory=Stopwatch)
    """The run's clock; it stands still while the proxy waits for the provider."""

    def checked(self, budgets: Budgets) -> Budgets | None:
        """The budgets that the agent's own figures are held to; None where the proxy counts."""
        return budgets if self.line is None else None


MAX_ERROR_CHARS = 2_000
"""Of a run's error."""
REQUESTED = "requested"
"""Outcome of a call that the model asked for, as far as the proxy can see."""
MADE = frozenset({"success", "failed", "retried", REQUESTED})
"""Outcomes of calls that were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One tool call as the run's trace keeps it."""

    tool: str
    arguments: str
    """JSON as the model wrote it."""
    outcome: str
    """`success`, `failed` or `retried`; `requested` of a call that the proxy has seen; of a call
    that was not made `denied` where the model was refused it, else the stop reason."""
    fault: str | None = None
    """What was made to go wrong with it on purpose, in words."""

    @property
    def was_made(self) -> bool:
        """Whether the tool was really asked."""
        return self.outcome in MADE


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What one run did and used. A figure that is not known is None, never 0."""

    output: str | None
    stop_reason: str
    latency_s: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    steps: int | None = None
    tool_calls: int | None = None
    tool_calls_by_tool: dict[str, int] = field(default_factory=dict)
    denied_tool_calls: int | None = None
    spend_usd: float | None = None
    error: str | None = None
    attempts: int = 1
    calls: tuple[ToolCall, ...] = ()
    notes: tuple[str, ...] = ()
    """What whoever reads the run's figures must know; kept in its trace."""


class Agent(Protocol):
    """A way to run an agent under test."""

    name: str
    model: str
    model_params_hash: str
    tools_hash: str
    tool_schemas: ToolSchemas | None
    """What `tools_hash` is the hash of; None where it is of the agent's own code."""
    price_table: str | None
    max_concurrency: int | None
    """Most runs that it serves well at once; None leaves that to the configuration."""

    async def run(self, order: Order, *, tape: Tape) -> AgentResult:
        """Make one run. Whatever goes wrong in it is in the result, never raised.

        The tape is for those that are `Recordable`; the others make an unfinished run anew.
        """


@runtime_checkable
class Recordable(Protocol):
    """An agent whose exchanges can be recorded and replayed.

    It asks its run's tape before each exchange with a model or a tool (`Tape.answer`; what
    that raises ends the run) and tells it of each that was made (`Tape.record`).
    """

    def record_header(self, config: Config, evaluation_id: str) -> RecordHeader:
        """What a record has to say before its first run."""
