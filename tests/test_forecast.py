"""What a forecast promises, against evaluations that are simulated one by one."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from assay.decision import Arm, Gates, TaskTraits, judge_in_looks
from assay.decision.comparing import Arms, compare, n_gates
from assay.decision.comparison import Levels
from assay.decision.looks import look_alphas
from assay.forecast.outlook import unchanged_prompt
from assay.forecast.resampling import History
from assay.forecast.sharpness import Setting, Sharpness, drift, sharpness
from assay.records import PromptRef

LOOKS = (3, 5, 8, 12, 20)
PROMPT = PromptRef(name="a", version="v1", prompt_id="a:v1:000000000000")
TOKENS = ("total_tokens", "tool_calls")


def recorded(*, n_tasks: int = 20, repeats: int = 20, success: float = 0.97, seed: int = 7) -> Arm:
    """Runs of a baseline whose truth is known: log-normal tokens, counts of calls."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(n_tasks), repeats)
    levels = np.random.default_rng(99).normal(8.3, 0.5, n_tasks)[tasks]
    return Arm(
        prompt=PROMPT,
        tasks=tasks,
        repeats=np.tile(np.arange(1, repeats + 1), n_tasks),
        metrics={
            "total_tokens": np.exp(levels + rng.normal(0.0, 0.42, tasks.size)),
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


@pytest.mark.slow
def test_the_chance_of_a_promote_is_that_of_real_evaluations() -> None:
    """It is said before the money is spent: it has to come true."""
    gates = Gates(p95_tokens=0.2, tail_tokens=0.15, mean_tokens=0.1, mean_tool_calls=0.1)
    tasks = [TaskTraits(id=f"t{number}") for number in range(20)]
    plan = setting(recorded(), gates=gates)
    found = unchanged_prompt(plan, tasks=tasks, max_infra_error_share=0.05)
    promoted, n = 0, 100
    for number in range(n):
        last = judge_in_looks(
            recorded(seed=2 * number + 100),
            recorded(seed=2 * number + 101),
            at=LOOKS,
            made=len(LOOKS),
            tasks=tasks,
            gates=gates,
            max_infra_error_share=0.05,
        )[-1]
        promoted += last.judgement.promotes
    assert 0.15 < found.promote < 0.95  # else any forecast would do
    assert found.promote == pytest.approx(promoted / n, abs=0.2)
    assert found.promote + found.reject + found.inconclusive == pytest.approx(1)


def test_a_forecast_says_the_same_each_time() -> None:
    """Whoever asks again must not get another answer: draws come from the plan's seed."""
    tasks = [TaskTraits(id=f"t{number}") for number in range(20)]
    first, again = (
        (told(plan), unchanged_prompt(plan, tasks=tasks, max_infra_error_share=0.05, simulations=9))
        for plan in (setting(recorded()), setting(recorded()))
    )
    assert first == again


def test_one_look_takes_the_textbooks_distance() -> None:
    """With a single look the distance is z of the level plus z of the power."""
    assert drift([20], alphas=[0.05], seed=1, freedom=None) == pytest.approx(2.486, abs=0.03)


def test_looking_often_costs_power() -> None:
    """The price of stopping early is part of the forecast."""
    alphas = look_alphas(LOOKS, alpha=0.05)
    often = drift(LOOKS, alphas=alphas, seed=1, freedom=None)
    once = drift([20], alphas=[0.05], seed=1, freedom=None)
    assert once * 1.02 < often < once * 1.3


def test_the_repeats_that_a_tight_gate_needs_do_for_it() -> None:
    """A number that does not help when it is followed is worse than none."""
    gates = Gates(mean_tokens=0.05)
    key = ("total_tokens", "mean")
    tight = told(setting(recorded(), gates=gates))[key]
    assert tight.certifies is not None
    assert tight.certifies > tight.margin
    assert tight.repeats is not None
    assert tight.repeats > LOOKS[-1]
    more = told(setting(recorded(), at=(*LOOKS, tight.repeats), gates=gates))[key]
    assert more.certifies == pytest.approx(gates.mean_tokens, rel=0.12)


def test_a_margin_beyond_reach_has_no_number_of_repeats() -> None:
    """Half a percent would take thousands of repeats: that is no plan."""
    one = told(setting(recorded(), gates=Gates(mean_tokens=0.005)))[("total_tokens", "mean")]
    assert one.repeats is None
    assert one.why is not None
    assert "more than 1,000" in one.why


def test_what_keeps_a_gate_from_passing_is_said() -> None:
    """Where budgets cut runs short, more repeats change nothing."""
    arm = recorded()
    cut = replace(arm, cut=np.arange(arm.n_runs) % 10 == 0)
    one = told(setting(cut))[("total_tokens", "mean")]
    assert (one.certifies, one.repeats) == (None, None)
    assert one.why is not None
    assert "budgets cut" in one.why


def test_a_single_golden_task_has_no_paired_gate() -> None:
    """A mean over tasks of one task has no spread."""
    found = told(setting(recorded(n_tasks=1)))
    assert found["total_tokens", "mean"].repeats is None
    assert found["total_tokens", "p95"].certifies is not None


def test_a_plan_of_one_repeat_can_promote_nothing() -> None:
    """A p95 needs three repeats; the forecast says so before they are missing."""
    plan = setting(recorded(), at=(1,))
    p95 = told(plan)["total_tokens", "p95"]
    assert (p95.certifies, p95.repeats) == (None, 3)
    tasks = [TaskTraits(id=f"t{number}") for number in range(20)]
    found = unchanged_prompt(plan, tasks=tasks, max_infra_error_share=0.05, simulations=5)
    assert found.inconclusive == 1


def test_success_needs_fewer_points_with_more_repeats() -> None:
    """What ten points take follows from the share of successes and the runs."""
    key = ("success", "drop")
    few, many = (told(setting(recorded(), at=at))[key] for at in ((3,), (20,)))
    assert few.certifies is not None
    assert many.certifies is not None
    assert many.certifies < few.certifies / 2


@pytest.mark.parametrize("repeats", [3, 5, 20])
def test_a_short_history_does_not_look_surer_than_it_is(repeats: int) -> None:
    """Drawing again from three runs would show a spread that is a quarter too small."""
    history = History(recorded(n_tasks=200, repeats=repeats), n_tasks=200, metrics=TOKENS)
    arm = history.arm(np.random.default_rng(5), repeats=50)
    tokens = arm.metrics["total_tokens"].reshape(200, 50)
    relative = tokens.std(axis=1, ddof=1) / tokens.mean(axis=1)
    truth = math.sqrt(math.exp(0.42**2) - 1)
    assert float(np.sqrt((relative**2).mean())) == pytest.approx(truth, rel=0.15)


def test_golden_tasks_keep_their_own_failures() -> None:
    """A golden task that always fails fails in every simulated evaluation too."""
    arm = recorded(success=1.0)
    failing = replace(arm, success=(arm.tasks != 4).astype(np.float64))
    drawn = History(failing, n_tasks=20, metrics=TOKENS).arm(np.random.default_rng(1), repeats=6)
    assert set(drawn.tasks[drawn.success == 0]) == {4}


def test_golden_tasks_with_too_few_runs_are_left_out() -> None:
    """Two runs say nothing of a spread; the other golden tasks still do."""
    arm = recorded()
    few = replace(arm, tasks=np.where(arm.tasks == 0, 20, arm.tasks))
    few = replace(few, tasks=np.where((few.tasks == 20) & (few.repeats <= 2), 0, few.tasks))
    history = History(few, n_tasks=21, metrics=TOKENS)
    assert history.tasks.tolist() == list(range(1, 21))
