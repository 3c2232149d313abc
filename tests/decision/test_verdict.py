"""Gates to verdict: when a candidate is promoted, rejected, or neither."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from assay.decision import Gates, Judgement
from assay.decision.comparison import Comparison, Levels
from assay.decision.evidence import Evidence
from assay.decision.failures import Alphas
from assay.decision.needs import needs
from tests.fakes.arms import NO_GATES, arm, failing, flags, judge, simulated_arm, traits
from tests.fakes.samples import BETWEEN_TASKS


def row(judgement: Judgement, metric: str, statistic: str) -> Comparison:
    """One gate of a judgement."""
    [found] = [
        one for one in judgement.comparisons if (one.metric, one.statistic) == (metric, statistic)
    ]
    return found


def simulate(seed: int, *, tokens: float = 1.0, calls: float = 4.0, repeats: int = 20) -> Judgement:
    """A simulated evaluation of 20 golden tasks with the default gates."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(8.0, BETWEEN_TASKS, 20)
    baseline = simulated_arm(rng, levels=levels, repeats=repeats)
    candidate = simulated_arm(
        rng, levels=levels, repeats=repeats, token_factor=tokens, mean_calls=calls
    )
    return judge(baseline, candidate)


def test_the_reference_incident_is_rejected_every_time() -> None:
    """p95 7.5k -> 14.2k tokens and 4 -> 11 tool calls once reached production."""
    for seed in range(40):
        found = simulate(seed, tokens=1.893, calls=11.0, repeats=5)
        assert found.verdict == "reject"
        assert row(found, "tool_calls", "mean").result == "fail"


def test_an_identical_prompt_is_promoted_most_of_the_time() -> None:
    """A gate that cries wolf is switched off; .95-.99 at 20 tasks x 20 repeats."""
    verdicts = [simulate(seed).verdict for seed in range(100)]
    assert verdicts.count("promote") >= 90
    assert verdicts.count("reject") <= 1


def test_a_rise_at_the_margin_is_hardly_ever_promoted() -> None:
    """The error that alpha bounds: mean tokens exactly at their margin of 25 %."""
    verdicts = [simulate(seed, tokens=1.25).verdict for seed in range(100)]
    assert verdicts.count("promote") <= 12


def test_all_limits_within_the_margins_promote() -> None:
    """And the sentence says how far each one can be off at most."""
    found = judge(arm(), arm())
    assert found.verdict == "promote"
    assert found.promotes
    assert found.needs is None
    assert found.reason.startswith("promote: p95 tokens x1.00 (at most x")
    assert all(one.result == "pass" for one in found.comparisons if one.margin is not None)


@pytest.mark.parametrize(
    ("metric", "statistic"),
    [
        ("total_tokens", "p95"),
        ("total_tokens", "tail"),
        ("total_tokens", "mean"),
        ("tool_calls", "mean"),
        ("success", "drop"),
    ],
)
def test_one_failed_gate_is_enough_to_reject(metric: str, statistic: str) -> None:
    """A candidate that is cheaper in all else must not buy its way past one margin."""
    base = arm()
    changes: dict[tuple[str, str], dict[str, Any]] = {
        ("total_tokens", "p95"): {"total_tokens": _dear_tail(base.metrics["total_tokens"])},
        ("total_tokens", "tail"): {"total_tokens": _dear_tail(base.metrics["total_tokens"])},
        ("total_tokens", "mean"): {"total_tokens": base.metrics["total_tokens"] * 1.4},
        ("tool_calls", "mean"): {"tool_calls": base.metrics["tool_calls"] * 1.4},
        ("success", "drop"): {"success": failing(dict.fromkeys(range(20), 6))},
    }
    found = judge(base, arm(**changes[metric, statistic]))
    assert found.verdict == "reject"
    assert row(found, metric, statistic).result == "fail"


def _dear_tail(tokens: Any) -> Any:
    dear = tokens.reshape(20, 20).copy()
    dear[:, :4] *= 2.0
    return dear.ravel()


def test_limits_on_both_sides_of_a_margin_are_inconclusive() -> None:
    """Cannot decide is a verdict: it names what is left open, and how many repeats it takes."""
    rng = np.random.default_rng(4)
    base, cand = (rng.lognormal(8.0, 0.8, 60) for _ in range(2))
    found = judge(arm(20, 3, total_tokens=base), arm(20, 3, total_tokens=cand))
    assert found.verdict == "inconclusive"
    assert not found.promotes
    assert found.needs is not None
    assert found.needs.repeats is not None
    assert found.needs.repeats > 3
    assert "(between x" in found.reason
    assert found.reason.endswith(f"about {found.needs.repeats} repeats would decide it")


def test_failing_takes_more_certainty_than_passing() -> None:
    """Any of m gates rejects, so each fails at alpha/m; all must pass, so each passes at alpha."""
    found = judge(arm(), arm())
    for one in found.comparisons:
        assert one.levels.upper == 0.95
        assert one.levels.lower == pytest.approx(1 - 0.05 / 5)
    alone = judge(arm(), arm(), gates=NO_GATES.model_copy(update={"mean_tokens": 0.25}))
    assert alone.comparisons[0].levels.lower == pytest.approx(0.95)


def test_a_look_may_spend_less_than_alpha() -> None:
    """Looking several times at full alpha errs .12; a look is handed what it may spend."""
    rng = np.random.default_rng(0)
    base, cand = (arm(total_tokens=rng.lognormal(8.0, 0.4, 400)) for _ in range(2))
    whole, early = (judge(base, cand, alpha=alpha) for alpha in (None, 0.0114))
    for one, other in zip(whole.comparisons, early.comparisons, strict=True):
        assert other.levels.upper == pytest.approx(1 - 0.0114)
        assert other.levels.lower == pytest.approx(1 - 0.0114 / 5)
        if one.upper is not None and other.upper is not None:
            assert other.upper > one.upper
    for alpha in (0.0, 0.5):
        with pytest.raises(ValueError, match="alpha is"):
            judge(base, cand, alpha=alpha)


def test_a_margin_of_none_reports_and_does_not_gate() -> None:
    """p95 latency is shown by default; a slow provider must not reject a prompt."""
    slow = arm(latency_s=np.full(400, 60.0))
    found = judge(arm(), slow)
    latency = row(found, "latency_s", "p95")
    assert latency.margin is None
    assert latency.change == pytest.approx(60 / 2.1, rel=0.01)
    assert found.verdict == "promote"
    gated = judge(arm(), slow, gates=Gates(p95_latency=0.5))
    assert gated.verdict == "reject"
    assert "p95 latency" in gated.reason


def test_an_unknown_metric_is_no_data_and_never_zero() -> None:
    """A model without a price is not free: unreported when ungated, undecided when gated."""
    found = judge(arm(), arm())
    assert "spend_usd" not in {one.metric for one in found.comparisons}
    gated = judge(arm(), arm(), gates=Gates(mean_spend=0.25))
    spend = row(gated, "spend_usd", "mean")
    assert (spend.baseline, spend.candidate, spend.change) == (None, None, None)
    assert (spend.result, spend.obstacle) == ("undecided", "no data")
    assert gated.verdict == "inconclusive"
    assert "spend: no data" in gated.reason
    assert gated.needs is not None
    assert gated.needs.repeats is None


def test_a_metric_unknown_in_many_runs_cannot_pass() -> None:
    """The runs that did not report may be the dear ones."""
    tokens = arm().metrics["total_tokens"].copy()
    tokens[::20] = np.nan
    found = judge(arm(), arm(total_tokens=tokens))
    assert row(found, "total_tokens", "mean").obstacle == "total_tokens is not known for every run"
    assert found.verdict == "inconclusive"


def test_fewer_than_three_repeats_leave_the_p95_undecided() -> None:
    """Promote is impossible then; the figures are still shown, and a usual spread is planned for.

    137 runs an arm for 80 % power at a margin of 50 %: 7 repeats of 20 golden tasks.
    """
    found = judge(arm(20, 2), arm(20, 2))
    p95 = row(found, "total_tokens", "p95")
    assert p95.result == "undecided"
    assert p95.candidate == pytest.approx(4200, rel=0.01)
    assert found.verdict == "inconclusive"
    assert "a golden task has 2 runs; 3 or more are needed" in found.reason
    assert found.needs is not None
    assert found.needs.repeats == 7
    few = judge(arm(2, 2), arm(2, 2), gates=NO_GATES.model_copy(update={"p95_tokens": 9.0}))
    assert few.needs is not None
    assert few.needs.repeats == 10, "a p95 takes 20 runs"


def test_fewer_than_three_repeats_can_still_reject() -> None:
    """A critical task that fails every time is no matter of intervals."""
    success = failing({7: 2}, repeats=2)
    found = judge(arm(20, 2), arm(20, 2, success=success), tasks=traits(20, critical=(7,)))
    assert found.verdict == "reject"


def test_a_deterministic_agent_is_compared_exactly_and_says_so() -> None:
    """No repeat variance is a false certainty: it is labelled, and no limits are shown."""
    steady = {"total_tokens": np.repeat(np.arange(1.0, 21.0), 20) * 100, "tool_calls": np.ones(400)}
    cheaper = {**steady, "total_tokens": steady["total_tokens"] * 1.1}
    found = judge(arm(**steady), arm(**cheaper))
    p95 = row(found, "total_tokens", "p95")
    assert (p95.lower, p95.upper, p95.result) == (None, None, "pass")
    assert p95.change == pytest.approx(1.1)
    assert p95.note == "no repeat variance: the exact figure of these runs"
    assert "p95 tokens x1.10 (exactly; allowed x1.50)" in found.reason
    dearer = judge(arm(**steady), arm(**{**steady, "total_tokens": steady["total_tokens"] * 1.6}))
    assert row(dearer, "total_tokens", "p95").result == "fail"


def test_a_base_mean_of_zero_is_compared_by_difference() -> None:
    """A prompt that starts to call tools where none were called: any sure rise fails."""
    none, some = np.zeros(400), arm().metrics["tool_calls"]
    found = row(judge(arm(tool_calls=none), arm(tool_calls=some)), "tool_calls", "mean")
    assert not found.is_ratio
    assert found.change == pytest.approx(4.0, rel=0.01)
    assert (found.margin, found.result) == (0.0, "fail")
    assert found.note == "a mean of zero has no ratio: this is the difference"


def test_a_candidate_that_stops_calling_tools_passes() -> None:
    """Zero has no ratio either way, but using nothing is no rise."""
    none, some = np.zeros(400), arm().metrics["tool_calls"]
    found = row(judge(arm(tool_calls=some), arm(tool_calls=none)), "tool_calls", "mean")
    assert (found.is_ratio, found.result) == (False, "pass")


def test_tools_that_neither_prompt_calls_are_no_obstacle() -> None:
    """An agent without tools must be promotable."""
    found = judge(arm(tool_calls=np.zeros(400)), arm(tool_calls=np.zeros(400)))
    assert row(found, "tool_calls", "mean").result == "pass"
    assert found.verdict == "promote"


def test_one_golden_task_cannot_be_promoted_by_its_means() -> None:
    """Tasks like this one: one task says nothing of others."""
    found = judge(arm(1, 30), arm(1, 30))
    assert found.verdict == "inconclusive"
    assert "there is 1 golden task; two or more are needed" in found.reason


def test_a_candidate_cut_by_budgets_cannot_pass() -> None:
    """A run that a budget stopped looks cheap: the candidate's change is a lower bound."""
    found = judge(arm(), arm(cut=flags(5)))
    for one in found.comparisons:
        if one.metric != "success":
            assert one.censored
            assert one.result == "undecided"
            assert one.obstacle == "budgets cut the candidate's runs short: a lower bound"
    assert found.verdict == "inconclusive"
    assert found.needs is not None
    assert found.needs.repeats is None


def test_a_candidate_cut_by_budgets_can_still_fail() -> None:
    """A lower bound above the margin is above the margin."""
    dear = arm(tool_calls=arm().metrics["tool_calls"] * 2, cut=flags(40))
    found = judge(arm(), dear)
    assert row(found, "tool_calls", "mean").result == "fail"
    assert found.verdict == "reject"


def test_a_baseline_cut_by_budgets_cannot_fail_the_candidate() -> None:
    """Its true cost is higher, so the rise may be none."""
    found = judge(arm(cut=flags(40)), arm(tool_calls=arm().metrics["tool_calls"] * 2))
    calls = row(found, "tool_calls", "mean")
    assert (calls.result, calls.censored) == ("undecided", True)
    assert calls.note == "budgets cut the baseline's runs short: an upper bound"
    assert judge(arm(cut=flags(40)), arm()).verdict == "promote"


def test_a_candidate_cut_like_its_baseline_can_still_fail() -> None:
    """The incident under tight budgets: both are cut, and the candidate is dearer all the same."""
    dear = arm(tool_calls=arm().metrics["tool_calls"] * 2, cut=flags(200))
    found = judge(arm(cut=flags(8)), dear)
    assert row(found, "tool_calls", "mean").result == "fail"


def test_one_percent_of_cut_runs_is_tolerated() -> None:
    """A single run at its budget in 400 is no reason to withhold a verdict."""
    assert judge(arm(), arm(cut=flags(4))).verdict == "promote"


def test_infrastructure_errors_are_neither_successes_nor_failures() -> None:
    """A provider's outage is not the prompt's fault."""
    lost = {"infra": flags(8), "success": np.where(flags(8), np.nan, 1.0)}
    found = judge(arm(**lost), arm(**lost))
    assert found.verdict == "promote"
    assert row(found, "success", "drop").candidate == 1.0
    assert sum(task.candidate_runs for task in found.tasks) == 392


def test_too_many_infrastructure_errors_are_inconclusive_even_against_a_clear_loss() -> None:
    """What is left of the runs is what the outage left."""
    lost = {"infra": flags(40), "success": np.where(flags(40), np.nan, 1.0)}
    dear = arm(tool_calls=arm().metrics["tool_calls"] * 3, **lost)
    found = judge(arm(**lost), dear)
    assert found.verdict == "inconclusive"
    assert "infrastructure errors in 10.0% of the baseline's and 10.0%" in found.reason


def test_infrastructure_errors_that_hit_one_arm_are_inconclusive() -> None:
    """Long prompts time out more: losing their runs would flatter them."""
    lost = {"infra": flags(12), "success": np.where(flags(12), np.nan, 1.0)}
    for arms in ((arm(), arm(**lost)), (arm(**lost), arm())):
        found = judge(*arms)
        assert found.verdict == "inconclusive"
        assert "hit the arms differently" in found.reason


def lost_runs(count: int) -> dict[str, Any]:
    """So many runs that the infrastructure lost."""
    return {"infra": flags(count), "success": np.where(flags(count), np.nan, 1.0)}


@pytest.mark.parametrize(("count", "verdict"), [(5, "promote"), (6, "inconclusive")])
def test_the_arms_lose_runs_differently_at_two_sided_five_percent(count: int, verdict: str) -> None:
    """0 of 400 against 5 has p = .031 on its side, which chance does; against 6 it is .015."""
    assert judge(arm(), arm(**lost_runs(count))).verdict == verdict


def test_the_allowed_share_of_infrastructure_errors_holds_for_each_arm() -> None:
    """Exactly the allowed 5 % is allowed; a bad arm is not averaged away by a good one."""
    assert judge(arm(**lost_runs(20)), arm(**lost_runs(20))).verdict == "promote"
    found = judge(arm(**lost_runs(17)), arm(**lost_runs(21)))
    assert "infrastructure errors in 4.2% of the baseline's and 5.2%" in found.reason


def test_no_runs_of_one_prompt_are_inconclusive() -> None:
    """An arm that never ran is not an arm without failures."""
    nobody = replace(
        arm(), tasks=np.array([], dtype=np.int64), repeats=np.array([], dtype=np.int64),
        metrics={}, success=np.array([]),
        infra=np.array([], dtype=bool), cut=np.array([], dtype=bool),
    )  # fmt: skip
    found = judge(arm(), nobody)
    assert found.verdict == "inconclusive"
    assert "no runs of one prompt" in found.reason


def test_a_spent_evaluation_budget_never_promotes_but_may_reject() -> None:
    """Runs cut off by money are not a random part; a clear loss is one all the same."""
    spent = {"spent_budget": "max_tokens"}
    found = judge(arm(), arm(), **spent)
    assert found.verdict == "inconclusive"
    assert "the evaluation's budget max_tokens is spent" in found.reason
    dear = arm(tool_calls=arm().metrics["tool_calls"] * 3)
    assert judge(arm(), dear, **spent).verdict == "reject"


def test_no_success_known_at_all_is_not_promoted() -> None:
    """Logs that say nothing of success would otherwise show a drop of zero."""
    unknown = {"success": np.full(400, np.nan)}
    found = judge(arm(**unknown), arm(**unknown))
    assert row(found, "success", "drop").obstacle == "no data"
    assert found.verdict == "inconclusive"


def test_the_order_of_runs_changes_nothing() -> None:
    """Runs finish in any order: the same runs are the same decision."""
    rng = np.random.default_rng(8)
    base, cand = (arm(total_tokens=rng.lognormal(8.0, 0.4, 400)) for _ in range(2))
    order = rng.permutation(400)
    shuffled = replace(
        cand,
        tasks=cand.tasks[order],
        repeats=cand.repeats[order],
        metrics={name: values[order] for name, values in cand.metrics.items()},
    )
    assert judge(base, shuffled).reason == judge(base, cand).reason


def test_golden_tasks_that_respond_differently_need_more_tasks() -> None:
    """The error has a floor there: a number of repeats would be a promise nobody can keep."""
    rng = np.random.default_rng(2)
    factors = np.repeat(np.exp(rng.normal(0.1, 0.5, 20)), 20)
    dear = arm(total_tokens=arm().metrics["total_tokens"] * factors)
    gates = NO_GATES.model_copy(update={"mean_tokens": 0.25})
    found = judge(arm(), dear, gates=gates)
    assert found.verdict == "inconclusive"
    assert found.needs is not None
    assert found.needs.repeats is None
    assert "more golden tasks would" in found.reason


def test_the_repeats_that_are_asked_for_decide_it() -> None:
    """The plan is held to its word: at 80 % power, most evaluations of that size decide."""
    gates = NO_GATES.model_copy(update={"mean_tokens": 0.25})
    rng = np.random.default_rng(6)
    levels = rng.normal(8.0, BETWEEN_TASKS, 20)

    def look(repeats: int) -> Judgement:
        arms = (
            simulated_arm(rng, levels=levels, repeats=repeats, token_factor=factor)
            for factor in (1.0, 1.1)
        )
        return judge(*arms, gates=gates)

    asked = [found.needs.repeats for found in (look(3) for _ in range(40)) if found.needs]
    typical = int(np.median([repeats for repeats in asked if repeats is not None]))
    decided = [look(typical).verdict != "inconclusive" for _ in range(60)]
    assert 3 < typical < 60
    assert np.mean(decided) > 0.6


def test_a_change_above_its_margin_is_planned_for_failing() -> None:
    """There a lower limit at the stricter level is what decides it, not an upper one."""
    levels, error = Levels(upper=0.95, lower=0.99), 0.2
    change, allowed = math.log(1.5), math.log(1.25)
    open_gate = Comparison(
        metric="total_tokens", statistic="mean", is_ratio=True, levels=levels, margin=0.25,
        baseline=1.0, candidate=1.5, change=1.5,
        lower=math.exp(change - float(ndtri(0.99)) * error),
        upper=math.exp(change + float(ndtri(0.95)) * error),
    )  # fmt: skip
    evidence = Evidence(
        comparisons=(open_gate,), tasks=(), invariants=(), obstacle=None, spent_budget=None
    )
    wanted = (change - allowed) / float(ndtri(0.99) + ndtri(0.8))
    found = needs(evidence, repeats=10, alphas=Alphas(0.01, 0.05))
    assert found.repeats == math.ceil(10 * (error / wanted) ** 2)


def test_a_task_number_without_a_task_is_refused() -> None:
    """Runs of a golden task that is not in the set must not be counted somewhere else."""
    with pytest.raises(ValueError, match=r"outside 0\.\.18"):
        judge(arm(), arm(), tasks=traits(19))
