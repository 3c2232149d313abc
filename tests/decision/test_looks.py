"""Looking at the runs as they come in: no more errors than one look would make."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from assay.decision import Arm, Gates, Look, judge_in_looks
from assay.decision.looks import look_alphas
from tests.fakes.arms import CANDIDATE, arm, failing, simulated_arm, traits
from tests.fakes.samples import BETWEEN_TASKS

AT = (3, 5, 8, 12, 20)


def look(baseline: Arm, candidate: Arm, **options: Any) -> tuple[Look, ...]:
    """Every look at 20 repeats, with the default gates."""
    n_tasks = int(baseline.tasks.max()) + 1
    usual: dict[str, Any] = {
        "at": AT, "made": len(AT), "tasks": traits(n_tasks), "gates": Gates(),
        "max_infra_error_share": 0.05,
    }  # fmt: skip
    return judge_in_looks(baseline, replace(candidate, prompt=CANDIDATE), **(usual | options))


def simulated(seed: int, *, n_tasks: int = 20, **candidate: Any) -> tuple[Arm, Arm]:
    """Two arms of 20 repeats; the candidate differs as it is said."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(8.0, BETWEEN_TASKS, n_tasks)
    baseline = simulated_arm(rng, levels=levels, repeats=AT[-1])
    return baseline, simulated_arm(rng, levels=levels, repeats=AT[-1], **candidate)


def shuffled(runs: Arm, rng: np.random.Generator) -> Arm:
    """The same runs in another order."""
    order = rng.permutation(runs.tasks.size)
    return replace(
        runs,
        tasks=runs.tasks[order],
        repeats=runs.repeats[order],
        metrics={name: values[order] for name, values in runs.metrics.items()},
        success=runs.success[order],
        infra=runs.infra[order],
        cut=runs.cut[order],
    )


def test_the_looks_have_the_errors_that_the_spending_function_leaves_them() -> None:
    """The reference values of the Pocock-type function at these shares of the plan."""
    z = [float(-ndtri(alpha)) for alpha in look_alphas(AT, alpha=0.05)]
    assert z == pytest.approx([2.276, 2.321, 2.215, 2.129, 1.974], abs=0.002)


def test_a_single_look_may_spend_everything() -> None:
    """A plan without rounds loses nothing to them."""
    assert look_alphas((20,), alpha=0.05) == pytest.approx((0.05,), abs=1e-6)


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=6, unique=True).map(sorted),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_all_looks_together_err_no_more_than_alpha(at: list[int], alpha: float) -> None:
    """Whatever rounds somebody configures; a statistic under the null is a random walk."""
    rng = np.random.default_rng(1)
    steps = np.diff(at, prepend=0)
    walks = np.cumsum(rng.normal(size=(20_000, len(at))) * np.sqrt(steps), axis=1)
    bounds = -ndtri(look_alphas(at, alpha=alpha))
    errs = (walks / np.sqrt(at) >= bounds).any(axis=1).mean()
    assert errs <= alpha + 4 * np.sqrt(alpha / 20_000)


@pytest.mark.parametrize("at", [(), (5, 3), (3, 3), (0, 3)])
def test_looks_that_do_not_increase_are_refused(at: tuple[int, ...]) -> None:
    """Their errors would mean nothing."""
    with pytest.raises((ValueError, IndexError)):
        look_alphas(at, alpha=0.05)


@pytest.mark.parametrize("made", [0, 6])
def test_only_looks_that_are_planned_can_be_made(made: int) -> None:
    """An empty answer would fail far from its cause."""
    with pytest.raises(ValueError, match="looks are made"):
        look(arm(), arm(), made=made)


def test_the_first_clear_verdict_is_the_last_look() -> None:
    """Every further run costs money and can only blur what is known."""
    for seed in range(10):
        looks = look(*simulated(seed))
        assert [each.number for each in looks] == list(range(1, len(looks) + 1))
        assert not any(each.decides for each in looks[:-1])
        assert looks[-1].decides or looks[-1].repeats == AT[-1]


def test_the_incident_is_rejected_at_the_first_look() -> None:
    """Spending the whole plan on a disaster is what rounds are there to avoid."""
    for seed in range(20):
        looks = look(*simulated(seed, token_factor=1.893, mean_calls=11.0))
        assert [(each.repeats, each.judgement.verdict) for each in looks] == [(3, "reject")]


def test_identical_prompts_take_half_of_the_plan_at_most() -> None:
    """And hardly ever more errors: what early stopping is for."""
    last = [look(*simulated(seed))[-1] for seed in range(60)]
    assert np.mean([each.repeats for each in last]) <= AT[-1] / 2
    assert sum(each.judgement.verdict == "promote" for each in last) >= 57
    assert not any(each.judgement.verdict == "reject" for each in last)


def test_looking_again_or_later_says_the_same() -> None:
    """A resumed evaluation judges by the runs alone; nothing is spent twice."""
    for seed in range(8):
        arms = simulated(seed, token_factor=1.1)
        whole = look(*arms)
        for made in range(1, len(whole) + 1):
            before = [each.judgement.reason for each in look(*arms, made=made)]
            assert before == [each.judgement.reason for each in whole[:made]]


def test_runs_beyond_a_look_do_not_bear_on_it() -> None:
    """Another process may have made more of them by then."""
    arms = simulated(3)
    short = [runs.up_to(5) for runs in arms]
    assert [each.judgement.reason for each in look(*short, made=2)] == [
        each.judgement.reason for each in look(*arms, made=2)
    ]


def test_the_order_of_the_runs_changes_nothing() -> None:
    """Runs end in any order, and a resumed evaluation reads them in another."""
    rng = np.random.default_rng(1)
    arms = simulated(5, token_factor=1.1)
    mixed = look(*(shuffled(each, rng) for each in arms))
    assert [each.judgement.reason for each in mixed] == [
        each.judgement.reason for each in look(*arms)
    ]


def latching(late_factor: float) -> tuple[Look, ...]:
    """Every second task is dearer after 5 repeats; failures keep it open at the first looks."""
    late = np.where((arm().repeats > 5) & (arm().tasks % 2 == 0), late_factor, 1.0)
    noise = np.exp(np.random.default_rng(7).normal(0.0, 0.02, late.size))
    tokens = 4000.0 * noise * late
    return look(
        arm(total_tokens=4000.0 * noise[::-1]),
        arm(total_tokens=tokens, success=failing({0: 3, 1: 3, 2: 3, 3: 3})),
    )


def mean_tokens(of: Look) -> Any:
    """The gate on mean tokens at a look."""
    [row] = [
        each
        for each in of.judgement.comparisons
        if (each.metric, each.statistic) == ("total_tokens", "mean")
    ]
    return row


def test_a_gate_that_passed_stays_passed() -> None:
    """Its error was spent at that look; the simulations of the sizes do the same."""
    looks = latching(2.0)
    open_again = [each for each in looks if mean_tokens(each).note == "passed at an earlier look"]
    assert mean_tokens(looks[0]).result == "pass"
    assert open_again
    for each in open_again:
        assert mean_tokens(each).upper >= 1.25
        assert mean_tokens(each).result == "pass"


def test_a_gate_that_passed_can_still_fail() -> None:
    """What is sure now is stronger than what was sure before."""
    looks = latching(12.0)
    assert mean_tokens(looks[0]).result == "pass"
    assert mean_tokens(looks[-1]).result == "fail"
    assert looks[-1].judgement.verdict == "reject"


@pytest.mark.parametrize("repeats", [1, 2])
def test_fewer_than_three_repeats_never_decide_by_p95(repeats: int) -> None:
    """The closed form has no variance then; a promote would rest on nothing."""
    [only] = look(arm(30, repeats), arm(30, repeats), at=(repeats,), made=1)
    [p95] = [each for each in only.judgement.comparisons if each.statistic == "p95" and each.margin]
    assert p95.result == "undecided"
    assert only.judgement.verdict == "inconclusive"


def test_a_critical_task_that_always_fails_is_rejected_at_the_first_look() -> None:
    """An old incident that is back needs no further proof."""
    looks = look(arm(), arm(success=failing({4: 20})), tasks=traits(20, critical=(4,)))
    assert [(each.repeats, each.judgement.verdict) for each in looks] == [(3, "reject")]


def test_a_critical_task_that_failed_once_early_on_keeps_it_open() -> None:
    """One failure may be a fluke: no promote, no reject, until there is a second or not."""
    looks = look(arm(), arm(success=failing({4: 1})), tasks=traits(20, critical=(4,)))
    assert {each.judgement.verdict for each in looks} == {"inconclusive"}
    assert len(looks) == len(AT)


@pytest.mark.parametrize("success", [0.99, 0.9, 0.8])
def test_a_task_that_never_passes_is_not_promoted_at_an_early_look(success: float) -> None:
    """At 3 to 8 repeats a good baseline fails a few by chance: 9 % of these were promoted."""
    rng = np.random.default_rng(1)
    for seed in range(60):
        baseline, candidate = (
            replace(each, success=(rng.random(each.tasks.size) < success).astype(np.float64))
            for each in simulated(seed, n_tasks=24)
        )
        candidate.success[candidate.tasks == 0] = 0.0
        assert look(baseline, candidate)[-1].judgement.verdict != "promote"


def test_a_spent_budget_bears_on_the_last_look_only() -> None:
    """What was decided before it was spent stays decided."""
    arms = simulated(1)
    free = look(*arms)
    assert free[-1].judgement.verdict == "promote"
    assert look(*arms, spent_budget="max_runs")[-1].number == free[-1].number
    [short] = look(*arms, made=1, spent_budget="max_runs")
    assert short.judgement.verdict == "inconclusive"
