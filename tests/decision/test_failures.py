"""What a mean would hide: broken golden tasks, critical ones, and bounds."""

from dataclasses import replace

import numpy as np
import pytest

from assay.decision import TaskTraits
from tests.fakes.arms import NO_GATES, arm, failing, flags, judge, traits


def test_one_broken_task_of_many_is_rejected_although_the_mean_hardly_moves() -> None:
    """An incident that comes back on one task of 24 moves success by 4 points only."""
    success = failing({5: 17}, n_tasks=24)
    found = judge(arm(24), arm(24, success=success))
    assert found.tasks[5].finding == "broken"
    assert found.reason == "reject: task 't5' broke (20/20 -> 3/20)"


def test_a_task_that_probably_broke_blocks_promotion() -> None:
    """3 of 3 -> 0 of 3 is not sure among 20 tasks, but nobody would switch on it."""
    found = judge(arm(20, 3), arm(20, 3, success=failing({5: 3}, repeats=3)))
    assert found.tasks[5].finding == "suspect"
    assert found.verdict == "inconclusive"
    assert "task 't5' may have broken (3/3 -> 0/3)" in found.reason


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [(4, 1, "suspect"), (4, 2, "same"), (2, 0, "suspect"), (2, 1, "same"), (1, 0, "suspect")],
)
def test_the_blocking_rule_is_at_most_a_fifth_now_and_a_third_fewer_than_before(
    before: int, after: int, finding: str
) -> None:
    """Of few repeats a good task passes 3 of 5 by chance; one that never passes is not like it."""
    arms = (arm(20, 5, success=failing({0: 5 - passes}, repeats=5)) for passes in (before, after))
    assert judge(*arms).tasks[0].finding == finding


@pytest.mark.parametrize(("repeats", "before", "after"), [(2, 2, 0), (10, 8, 3)])
def test_neither_two_repeats_nor_three_passes_of_ten_block(
    repeats: int, before: int, after: int
) -> None:
    """The rule ends where it says: at three repeats, and at a fifth of them."""
    arms = (
        arm(20, repeats, success=failing({0: repeats - passes}, repeats=repeats))
        for passes in (before, after)
    )
    assert judge(*arms).tasks[0].finding == "same"


def test_a_task_that_is_mended_is_said_and_changes_no_verdict() -> None:
    """A fix is news for its author, and no licence for a regression elsewhere."""
    found = judge(arm(success=failing({5: 20})), arm())
    assert found.tasks[5].finding == "fixed"
    assert found.verdict == "promote"


@pytest.mark.parametrize(("before", "finding"), [(2, "suspect"), (1, "same")])
def test_a_task_that_never_passes_where_it_did_at_times_blocks(before: int, finding: str) -> None:
    """At a baseline of .4 a third fewer let a broken one through in a quarter of evaluations."""
    base, cand = (arm(success=failing({3: 20 - passes})) for passes in (before, 0))
    assert judge(base, cand).tasks[3].finding == finding


@pytest.mark.parametrize(("repeats", "finding"), [(1, "suspect"), (9, "suspect"), (10, "same")])
def test_a_task_that_neither_prompt_passed_yet_is_unknown_for_a_few_repeats(
    repeats: int, finding: str
) -> None:
    """A baseline of .4 fails three times of three in 22 % of evaluations: that is no dead task."""
    both = arm(20, repeats, success=failing({3: repeats}, repeats=repeats))
    found = judge(both, both, gates=NO_GATES)
    assert found.tasks[3].finding == finding
    if finding == "suspect":
        assert f"task 't3' has not passed under either prompt (0/{repeats} ->" in found.reason
        assert found.needs is not None
        assert found.needs.repeats == 10


def test_a_task_breaks_at_its_share_of_a_gates_alpha() -> None:
    """At alpha / n an identical prompt of which half the runs fail flipped 3 % of the time."""
    nine, ten = (judge(arm(), arm(success=failing({5: count}))) for count in (9, 10))
    assert nine.tasks[5].finding == "same"
    assert ten.tasks[5].finding == "broken"


def test_a_critical_task_that_fails_every_time_is_rejected() -> None:
    """An old incident that is back needs no further proof."""
    success = failing({3: 3}, repeats=3)
    found = judge(arm(20, 3), arm(20, 3, success=success), tasks=traits(20, critical=(3, 4, 5)))
    assert found.reason == "reject: critical task 't3' broke (3/3 -> 0/3)"


@pytest.mark.parametrize(
    ("failures", "n_critical", "finding"),
    [(4, 1, "suspect"), (5, 1, "broken"), (5, 4, "suspect"), (6, 4, "broken")],
)
def test_a_critical_task_is_rejected_where_fisher_is_sure_among_the_critical_ones(
    failures: int, n_critical: int, finding: str
) -> None:
    """`Two failures` rejected an identical prompt in 38 % of evaluations, of 6 tasks at .9."""
    tasks = traits(20, critical=tuple(range(n_critical)))
    found = judge(arm(), arm(success=failing({0: failures})), tasks=tasks)
    assert found.tasks[0].finding == finding
    assert found.verdict == ("reject" if finding == "broken" else "inconclusive")


def test_a_critical_task_that_fails_once_blocks_and_does_not_reject() -> None:
    """A fluke of 1 % a run would else reject an identical prompt 18 % of the time."""
    found = judge(arm(), arm(success=failing({3: 1})), tasks=traits(20, critical=(3,)))
    assert found.tasks[3].finding == "suspect"
    assert found.verdict == "inconclusive"
    assert found.needs is not None
    assert found.needs.repeats == 90


def test_a_critical_task_that_fails_under_the_baseline_too_is_judged_like_any_other() -> None:
    """A flaky baseline is no ground to hold a flake against the candidate."""
    base, cand = (arm(success=failing({3: count})) for count in (1, 2))
    assert judge(base, cand, tasks=traits(20, critical=(3,))).verdict == "promote"


def test_an_uncritical_task_may_fail_now_and_then() -> None:
    """Two of twenty on one task is inside the margin that success is allowed."""
    assert judge(arm(), arm(success=failing({3: 2}))).verdict == "promote"


def test_a_single_failing_repeat_of_few_is_confirmed_by_fisher_at_best() -> None:
    """One repeat each, one failure: p = .5 confirms nothing, whatever the margin says."""
    found = judge(arm(1, 1), arm(1, 1, success=np.zeros(1)), tasks=traits(1, critical=(0,)))
    assert found.tasks[0].finding == "suspect"


def test_one_failure_is_confirmed_where_fisher_is_sure_among_the_critical_tasks() -> None:
    """The only candidate run fails, 19 of 19 passed: p = .05 among one critical task of two."""
    base = arm(2, 19)
    kept = np.arange(38) >= 18
    cand = replace(
        base,
        tasks=base.tasks[kept],
        repeats=base.repeats[kept],
        metrics={name: values[kept] for name, values in base.metrics.items()},
        success=np.where(np.arange(20) == 0, 0.0, 1.0),
        infra=base.infra[kept],
        cut=base.cut[kept],
    )
    assert judge(base, cand, tasks=traits(2, critical=(0,))).tasks[0].finding == "broken"
    assert judge(base, cand, tasks=traits(2, critical=(0, 1))).tasks[0].finding == "suspect"


def test_a_golden_task_without_a_result_blocks_promotion() -> None:
    """A prompt must not look better by losing its hard task."""
    infra = np.zeros((20, 20), dtype=bool)
    infra[4] = True
    lost = arm(infra=infra.ravel(), success=np.where(infra, np.nan, 1.0).ravel())
    found = judge(arm(), lost, max_infra_error_share=1.0)
    assert found.tasks[4].finding == "unmeasured"
    assert found.verdict == "inconclusive"
    both = judge(lost, lost, max_infra_error_share=1.0, gates=NO_GATES)
    assert both.verdict == "inconclusive"
    assert "task 't4' has no result in one arm" in both.reason


def test_a_bound_that_is_broken_more_often_is_rejected() -> None:
    """Bounds are counted apart from success: a right answer at ten times the price."""
    found = judge(arm(), arm(violations={"max_tokens": flags(12)}))
    assert found.reason == "reject: bound max_tokens broken by 12 runs (baseline 0)"


def test_a_bound_broken_a_little_more_often_is_chance() -> None:
    """`More than the baseline` would reject an identical prompt 29 % of the time."""
    base, cand = (arm(violations={"max_tokens": flags(count)}) for count in (2, 5))
    found = judge(base, cand)
    assert found.verdict == "promote"
    counted = [one for one in found.invariants if one.task is None]
    assert [(one.baseline_violations, one.candidate_violations) for one in counted] == [(2, 5)]


def test_a_bound_is_tested_at_alpha_over_the_gates() -> None:
    """6 of 400 against 0 has p = .0154: under .05, and not under .05 / 5."""
    assert judge(arm(), arm(violations={"max_tokens": flags(6)})).verdict == "promote"
    assert judge(arm(), arm(violations={"max_tokens": flags(7)})).verdict == "reject"


def test_bounds_share_what_one_bound_may_err() -> None:
    """Six bounds broken in 2 % of the runs rejected an identical prompt 2.2 % of the time."""
    alone = {"max_tokens": flags(7)}
    others = {f"bound {number}": flags(1) for number in range(5)}
    assert judge(arm(), arm(violations=alone)).verdict == "reject"
    both = arm(violations=others), arm(violations=alone | others)
    assert judge(*both).verdict == "promote"


def test_bounds_of_runs_lost_to_the_infrastructure_do_not_count() -> None:
    """A run that was cut off by an outage broke no promise of its own."""
    lost = flags(12)
    arms = [
        arm(infra=lost, success=np.where(lost, np.nan, 1.0), violations=violations)
        for violations in ({}, {"max_seconds": lost})
    ]
    assert judge(*arms).invariants == ()


def test_a_hostile_task_name_cannot_deface_the_reason() -> None:
    """Names come from files: bounded, and without control characters or line breaks."""
    hostile = TaskTraits(id="late\x1b[31m\n\u202erefund" + "x" * 500, critical=True)
    found = judge(
        arm(2, 20), arm(2, 20, success=failing({0: 20}, n_tasks=2)),
        tasks=[hostile, TaskTraits(id="t1")],
    )  # fmt: skip
    assert found.verdict == "reject"
    assert found.reason.isprintable()
    assert len(found.reason) < 300


def test_many_broken_tasks_are_counted_and_not_listed() -> None:
    """The reason stays one sentence when everything breaks."""
    found = judge(arm(), arm(success=np.zeros(400)))
    assert "17 more tasks broke" in found.reason
    assert len(found.reason) < 400
