"""What is stored: one run of one golden task by one prompt, column by column."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
"""Version of the columns below; written into every Parquet file and journal."""


class StopReason(StrEnum):
    """Why a run ended. An agent's own further reasons are kept as plain text."""

    FINISH = "finish"
    MAX_STEPS = "max_steps"
    MAX_TOOL_CALLS = "max_tool_calls"
    MAX_TOKENS = "max_tokens"
    MAX_SPEND = "max_spend"
    MAX_SECONDS = "max_seconds"
    TOOL_DENIED = "tool_denied"
    LOOP = "loop"
    AGENT_ERROR = "agent_error"
    INFRA_ERROR = "infra_error"
    CANCELLED = "cancelled"


BUDGET_STOPS = frozenset(
    {
        StopReason.MAX_STEPS,
        StopReason.MAX_TOOL_CALLS,
        StopReason.MAX_TOKENS,
        StopReason.MAX_SPEND,
        StopReason.MAX_SECONDS,
    }
)
"""Stops that cut a run short, so that what it used is a lower bound of its cost."""


class PromptRef(BaseModel):
    """Which prompt: its name, its version, and the id that its text hashes to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    prompt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """Which run of an evaluation: all randomness of a simulated run hangs on it."""

    evaluation_id: str
    prompt_id: str
    golden_task_id: str
    repeat: int
    """1-based number of this run within its cell."""
    seed: int
    """The evaluation's seed."""

    @property
    def run_id(self) -> str:
        """The same key always gives the same id, so that a resumed run keeps its own."""
        parts = (self.evaluation_id, self.prompt_id, self.golden_task_id, str(self.repeat))
        return uuid.uuid5(uuid.NAMESPACE_URL, "\x00".join(parts)).hex


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScope:
    """What a tool may know about the run it serves (`ctx.deps` in a pydantic-ai tool)."""

    key: RunKey
    folder: Path
    """Existing folder of this evaluation, for what tools leave behind (an outbox)."""


class RunRecord(BaseModel):
    """One run of one golden task by one prompt.

    A run that crashed is data, not a gap: it is kept, so that a prompt cannot
    look better by losing its hard tasks. Missing is None, never 0 or NaN.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    evaluation_id: str
    run_id: str
    prompt_name: str
    prompt_version: str
    prompt_id: str
    golden_task_id: str
    """Id in golden/*.jsonl; both prompts' runs are paired on it."""
    golden_task_hash: str
    category: str | None = None
    repeat: int = Field(ge=1)
    round: int = Field(ge=1)
    agent: str
    model: str
    model_params_hash: str
    tools_hash: str
    started_at: datetime
    """UTC."""
    latency_s: float = Field(ge=0)
    """Without queueing for a slot and without waiting out a rate limit."""
    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    cached_tokens: int | None = Field(default=None, ge=0)
    """Part of `input_tokens` that the provider read from its cache."""
    reasoning_tokens: int | None = Field(default=None, ge=0)
    """Part of `output_tokens`."""
    total_tokens: int | None = Field(default=None, ge=0)
    steps: int | None = Field(default=None, ge=0)
    """Requests to the model."""
    tool_calls: int | None = Field(default=None, ge=0)
    tool_calls_by_tool: dict[str, int] = Field(default_factory=dict)
    denied_tool_calls: int | None = Field(default=None, ge=0)
    spend_usd: float | None = Field(default=None, ge=0)
    """None when no price is known for the model: unknown is not free."""
    price_table: str | None = None
    stop_reason: str
    success: bool | None = None
    """All checks pass and the stop_reason is the expected one; None after `infra_error`."""
    failed_checks: list[str] = Field(default_factory=list)
    violated_invariants: list[str] = Field(default_factory=list)
    """Names of the golden task's bounds that this run broke, such as `max_tokens`."""
    output: str | None = None
    error: str | None = None
    attempts: int = Field(default=1, ge=1)
    trace: list[dict[str, Any]] = Field(default_factory=list)
    """The tool calls in order: `{tool, arguments, outcome}`, each bounded in length; then what
    there is to know about the figures: `{note}`."""
    budgets_hash: str | None = None
    """Of the limits of one run; None in files of before they were kept."""
    success_without_judge: bool | None = None
    """As `success`, but for what judges say; None where no check of the task is judged."""
    judge_model: str | None = None
    """The model that judged, and a hash of how it is asked; None where none was asked."""
    judge_agreement: float | None = Field(default=None, ge=0, le=1)
    """Mean over the run's judged checks of the share of judges that say what most say."""
    judge_tokens: int | None = Field(default=None, ge=0)
    """Of all judges' answers; the agent's tokens are not among them."""
    judge_spend_usd: float | None = Field(default=None, ge=0)
    """None where no judge was asked or its price is not known."""
    judge_rulings: list[dict[str, Any]] = Field(default_factory=list)
    """Each judged check: `{check, passed, reason, votes, agreement, similarity}`."""
    faults_hash: str | None = None
    """Of what went wrong on purpose; None where nothing did."""
    replayed: str | None = None
    """`tools:ID` or `all:ID`: which record answered for the world; None where none did."""
