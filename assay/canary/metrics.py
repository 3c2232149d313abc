"""What a canary is watched for: each metric, how its arms are compared, and its margin."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.records import BUDGET_STOPS, StopReason
from assay.stats.samples import Floats

ERRORS = (StopReason.AGENT_ERROR, StopReason.INFRA_ERROR)
STOPS = (*sorted(BUDGET_STOPS), StopReason.TOOL_DENIED, StopReason.LOOP)


@dataclass(frozen=True, slots=True)
class Metric:
    """Something that a canary may have more of than the active version."""

    name: str
    """For people."""
    is_ratio: bool
    """Whether means are compared by their ratio, or shares by their difference."""
    values: Callable[[pa.Table, float | None], Floats]
    """Of each run, NaN where not known; from the log's rows and the token threshold."""


def _column(name: str) -> Callable[[pa.Table, float | None], Floats]:
    return lambda runs, _: _floats(runs[name])


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = pc.fill_null(pc.cast(column, pa.float64()), np.nan).to_numpy()
    return values


def _ended_in(reasons: tuple[str, ...]) -> Callable[[pa.Table, float | None], Floats]:
    wanted = pa.array([str(reason) for reason in reasons])

    def values(runs: pa.Table, _: float | None) -> Floats:
        reason = runs["stop_reason"]
        is_in = pc.is_in(reason, value_set=wanted)
        return _floats(pc.if_else(reason.is_valid(), is_in, pa.scalar(None, pa.bool_())))

    return values


def _is_dear(runs: pa.Table, threshold: float | None) -> Floats:
    tokens = _floats(runs["total_tokens"])
    if threshold is None:
        return np.full_like(tokens, np.nan)
    return np.where(np.isnan(tokens), np.nan, (tokens > threshold).astype(np.float64))


def _fails(runs: pa.Table, _: float | None) -> Floats:
    return 1.0 - _floats(runs["success"])


METRICS: Mapping[str, Metric] = {
    "mean_tokens": Metric("mean tokens", True, _column("total_tokens")),
    "mean_tool_calls": Metric("tool calls", True, _column("tool_calls")),
    "mean_spend": Metric("spend $", True, _column("spend_usd")),
    "mean_latency": Metric("seconds", True, _column("latency_s")),
    "p95_exceedance": Metric("dear runs", False, _is_dear),
    "error_share": Metric("errors", False, _ended_in(ERRORS)),
    "stop_share": Metric("stopped runs", False, _ended_in(STOPS)),
    "success_drop": Metric("failures", False, _fails),
}
"""Key of `rollout.canary.gates` -> metric, in the order of the page."""


def is_of(runs: pa.Table, prompt_id: str) -> NDArray[np.bool_]:
    """Which runs bear this prompt_id."""
    flags: NDArray[np.bool_] = pc.equal(runs["prompt_id"], prompt_id).to_numpy()
    return flags
