"""What a forecast promises, against evaluations that are simulated one by one."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from assay.decision import Arm, Gates, TaskTraits
from assay.decision.comparing import Arms, compare, n_gates
from assay.decision.comparison import Levels
from assay.decision.looks import look_alphas
from assay.forecast.outlook import unchanged_prompt
from assay.forecast.resampling import History
from assay.forecast.sharpness import Setting, Sharpness, drift, gated, sharpness
from assay.records import PromptRef

LOOKS = (3, 5, 8, 12, 20)
PROMPT = PromptRef(name="a", version="v1", prompt_id="a:v1:000000000000")
TOKENS = ("total_tokens", "tool_calls")


def recorded(
    *, n_tasks: int = 20, repeats: int = 20, success: float = 0.97, spread: float = 0.42
) -> Arm:
    """Runs of a baseline whose truth is known: log-normal tokens, counts of calls."""
    rng = np.random.default_rng(7)
    tasks = np.repeat(np.arange(n_tasks), repeats)
    levels = rng.normal(8.3, 0.5, n_tasks)[tasks]
    return Arm(
        prompt=PROMPT,
        tasks=tasks,
        repeats=np.tile(np.arange(1, repeats + 1), n_tasks),
        metrics={
            "total_tokens": np.exp(levels + rng.normal(0.0, spread, tasks.size)),
            "tool_calls": 1.0 + rng.poisson(3.0 * np.exp(0.5 * (levels - 8.3))),
        },
        success=(rng.random(tasks.size) < success).astype(np.float64),
        infra=np.zeros(tasks.size, dtype=np.bool_),
        cut=np.zeros(tasks.size, dtype=np.bool_),
        violations={},
    )


def setting(arm: Arm, *, at: Sequence[int] = LOOKS, gates: Gates | None = None) -> Setting:
    """A plan over the recorded runs."""
    n_tasks = int(arm.tasks.max()) + 1
    history = History(arm, n_tasks=n_tasks, metrics=TOKENS)
    return Setting(history=history, at=at, gates=gates or Gates(), seed=3)


def told(plan: Setting) -> dict[tuple[str, str], Sharpness]:
    """What each gate can tell, by metric and statistic."""
    return {(one.metric, one.statistic): one for one in sharpness(plan)}


def limits(plan: Setting, *, evaluations: int) -> dict[tuple[str, str], np.ndarray]:
    """Best limits over all looks of unchanged arms: lowest upper and highest lower, on logs.

    Shape (evaluations, 2) by metric and statistic. Gates move with a factor on the
    candidate's runs exactly, so these say at which rise each would pass or fail.
    """
    rng = np.random.default_rng(11)
    alphas = look_alphas(plan.at, alpha=plan.gates.alpha)
    m = n_gates(plan.gates)
    best: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(evaluations):
        arms = [plan.history.arm(rng, repeats=plan.at[-1]) for _ in "bc"]
        found: dict[tuple[str, str], tuple[float, float]] = {}
        for repeats, alpha in zip(plan.at, alphas, strict=True):
            seen = Arms(arms[0].up_to(repeats), arms[1].up_to(repeats), plan.tasks)
            levels = Levels(1 - alpha, 1 - alpha / m)
            for row in compare(seen, gates=plan.gates, levels=levels):
                if row.is_ratio and row.upper and row.lower:
                    key = (row.metric, row.statistic)
                    low, high = found.get(key, (math.inf, -math.inf))
                    found[key] = min(low, math.log(row.upper)), max(high, math.log(row.lower))
        for key, pair in found.items():
            best.setdefault(key, []).append(pair)
    return {key: np.array(pairs) for key, pairs in best.items()}


@pytest.mark.slow
def test_the_formula_agrees_with_evaluations_simulated_look_by_look() -> None:
    """A forecast by formula is only worth printing if the real looks bear it out."""
    plan = setting(recorded())
    gates = told(plan)
    for key, pairs in limits(plan, evaluations=120).items():
        one = gates[key]
        certifies = float(np.quantile(pairs[:, 0], 0.8))
        rejects = math.log1p(one.margin) + float(np.quantile(-pairs[:, 1], 0.8))
        assert one.certifies is not None
        assert one.rejects is not None
        assert math.log1p(one.certifies) == pytest.approx(certifies, rel=0.15), key
        beyond = math.log1p(one.rejects) - math.log1p(one.margin)
        assert beyond == pytest.approx(rejects - math.log1p(one.margin), rel=0.15), key
