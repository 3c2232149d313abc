"""Synthetic runs with a known truth, for what compares two prompts."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay.decision import Arm, Gates, Judgement, TaskTraits, decide
from assay.records import PromptRef
from tests.fakes.samples import WITHIN_TASK, cells

BASELINE = PromptRef(name="support", version="v13", prompt_id="support:v13:50af3e26c3af")
CANDIDATE = PromptRef(name="support", version="v14", prompt_id="support:v14:0123456789ab")
NO_GATES = Gates(
    p95_tokens=None, tail_tokens=None, mean_tokens=None, mean_tool_calls=None, success_drop=None
)


def traits(n_tasks: int, *, critical: tuple[int, ...] = ()) -> list[TaskTraits]:
    """Golden tasks t0, t1, ..."""
    return [TaskTraits(id=f"t{i}", critical=i in critical) for i in range(n_tasks)]


def arm(n_tasks: int = 20, repeats: int = 20, **columns: Any) -> Arm:
    """Runs that all succeed and cost about the same; `columns` replace what matters.

    The cost differs from repeat to repeat by a few percent, in the same way for every task.
    """
    tasks = cells(n_tasks, repeats)
    wave = 1.0 + 0.05 * np.sin(np.arange(tasks.size) * 2.4)
    usual: dict[str, Any] = {
        "total_tokens": 4000.0 * wave,
        "tool_calls": 4.0 * wave,
        "spend_usd": np.full(tasks.size, np.nan),
        "latency_s": 2.0 * wave,
    }
    metrics = usual | {name: columns.pop(name) for name in usual if name in columns}
    nobody = np.zeros(tasks.size, dtype=np.bool_)
    made = Arm(
        prompt=BASELINE, tasks=tasks, repeats=np.tile(np.arange(1, repeats + 1), n_tasks),
        metrics=metrics, success=np.ones(tasks.size),
        infra=nobody, cut=nobody, violations={},
    )  # fmt: skip
    return replace(made, **columns)


def failing(counts: dict[int, int], *, n_tasks: int = 20, repeats: int = 20) -> Any:
    """`success` of an arm in which the first so many repeats of some golden tasks fail."""
    success = np.ones((n_tasks, repeats))
    for task, count in counts.items():
        success[task, :count] = 0.0
    return success.ravel()


def flags(count: int, *, n_tasks: int = 20, repeats: int = 20) -> Any:
    """True for so many runs, spread over golden tasks."""
    raised = np.zeros((repeats, n_tasks), dtype=np.bool_)
    raised.ravel()[:count] = True
    return raised.T.ravel()


def simulated_arm(
    rng: np.random.Generator,
    *,
    levels: ArrayLike,
    repeats: int,
    token_factor: float = 1.0,
    mean_calls: float = 4.0,
) -> Arm:
    """Runs like a real agent's: log-normal tokens with a retry tail, few whole tool calls.

    Args:
        rng: What draws them.
        levels: Mean log tokens of each golden task, shape (n_tasks,).
        repeats: Of each golden task.
        token_factor: On the tokens.
        mean_calls: Tool calls a run.
    """
    levels = np.asarray(levels, dtype=np.float64)
    tasks = cells(levels.size, repeats)
    retried = np.where(rng.random(tasks.size) < 0.02, 2.0, 1.0)
    tokens = np.exp(levels[tasks] + rng.normal(0.0, WITHIN_TASK, tasks.size)) * retried
    calls = 1.0 + rng.poisson(mean_calls - 1.0, tasks.size)
    return arm(levels.size, repeats, total_tokens=tokens * token_factor, tool_calls=calls)


def judge(baseline: Arm, candidate: Arm, **options: Any) -> Judgement:
    """The decision with the default gates."""
    n_tasks = int(max(baseline.tasks.max(initial=0), candidate.tasks.max(initial=0))) + 1
    usual: dict[str, Any] = {
        "tasks": traits(n_tasks),
        "gates": Gates(),
        "max_infra_error_share": 0.05,
    }
    return decide(baseline, replace(candidate, prompt=CANDIDATE), **(usual | options))
