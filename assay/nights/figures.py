"""One prompt's figures of a night."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.decision.arms import Arm
from assay.errors import NotEnoughEvidence
from assay.nights.document import Figures
from assay.records import PromptRef
from assay.stats.quantiles import quantile_estimate
from assay.stats.samples import Sample
from assay.store.arms import read_arm

QUANTILE = 0.95


def figures(runs: pa.Table, prompt: PromptRef, *, tasks: Mapping[str, str]) -> Figures:
    """The night's figures; `tasks` maps golden tasks to their expected stop reasons."""
    arm = read_arm(runs, prompt, tasks=tasks)
    judged = int(arm.judged.sum())
    return Figures(
        prompt=prompt,
        runs=arm.n_runs,
        infra_errors=int(arm.infra.sum()),
        success=int(arm.passed.sum()) / judged if judged else None,
        mean_tokens=_mean(arm, "total_tokens", n_tasks=len(tasks)),
        p95_tokens=_p95(arm, "total_tokens"),
        mean_tool_calls=_mean(arm, "tool_calls", n_tasks=len(tasks)),
        mean_spend_usd=_mean(arm, "spend_usd", n_tasks=len(tasks)),
        p95_latency_s=_p95(arm, "latency_s"),
        cached_share=_cached_share(runs.filter(pc.equal(runs["prompt_id"], prompt.prompt_id))),
    )


def _mean(arm: Arm, metric: str, *, n_tasks: int) -> float | None:
    means = [mean for mean in arm.mean_by_task(metric, n_tasks=n_tasks) if mean is not None]
    return float(np.mean(means)) if means else None


def _p95(arm: Arm, metric: str) -> float | None:
    known = arm.known(metric)
    present, numbers = np.unique(arm.tasks[known], return_inverse=True)
    sample = Sample(arm.metrics[metric][known], numbers, n_tasks=present.size)
    try:
        return quantile_estimate(sample, quantile=QUANTILE)
    except NotEnoughEvidence:
        return None


def _cached_share(runs: pa.Table) -> float | None:
    known = runs.filter(
        pc.and_(pc.is_valid(runs["cached_tokens"]), pc.is_valid(runs["input_tokens"]))
    )
    total = pc.sum(known["input_tokens"]).as_py()
    return pc.sum(known["cached_tokens"]).as_py() / total if total else None
