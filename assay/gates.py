"""How much worse a candidate may be: one margin a gate.

Beside `assay.decision` and not in it: reading the configuration must not import SciPy.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Scope = Literal["golden_tasks", "traffic"]
"""What a verdict is about: these golden tasks, or the traffic that they are a sample of."""

GATED = {
    "p95_tokens": ("total_tokens", "p95"),
    "tail_tokens": ("total_tokens", "tail"),
    "mean_tokens": ("total_tokens", "mean"),
    "mean_tool_calls": ("tool_calls", "mean"),
    "success_drop": ("success", "drop"),
    "mean_spend": ("spend_usd", "mean"),
    "p95_latency": ("latency_s", "p95"),
}
"""Key of `Gates` -> metric and statistic, in the order of the report."""


class Gates(BaseModel):
    """Margins of the decision; a ratio's margin of 0.5 allows x1.5. Empty reports, ungated."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    p95_tokens: float | None = Field(default=0.5, gt=0)
    """Rise of the 95th percentile of tokens per run, over all golden tasks."""
    tail_tokens: float | None = Field(default=0.5, gt=0)
    """Rise of the mean of each golden task's dearest fifth of runs."""
    mean_tokens: float | None = Field(default=0.25, gt=0)
    """Rise of mean tokens per run, paired by golden task."""
    mean_tool_calls: float | None = Field(default=0.25, gt=0)
    """Rise of mean tool calls per run, paired by golden task."""
    mean_spend: float | None = Field(default=None, gt=0)
    """Rise of mean spend per run, paired by golden task."""
    p95_latency: float | None = Field(default=None, gt=0)
    """Rise of the 95th percentile of latency, over all golden tasks."""
    success_drop: float | None = Field(default=0.10, gt=0, le=1)
    """Drop of the share of successful runs: 0.10 is ten points."""
    judge_agreement: float | None = Field(default=0.8, gt=0, le=1)
    """Least mean agreement of repeated judges; success cannot pass on judges that agree less."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance of a wrong promote at a margin, and of a wrong reject over all gates."""
    scope: Scope = "golden_tasks"
    """`traffic` takes the golden tasks as a random sample of the traffic: p95 and success then
    claim more, and need more golden tasks."""


def shared_by(n_candidates: int, gates: Gates) -> Gates:
    """The gates for one of several candidates: together they err with `gates.alpha` (Bonferroni).

    Each wrong promote or reject is so much rarer that one among all candidates is as rare as
    with a single one.
    """
    return gates.model_copy(update={"alpha": gates.alpha / n_candidates})
