"""Judges may keep a candidate from being promoted, and never get it promoted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.decision import Arm, EvaluationFacts, Gates, Judgement, document
from assay.decision.arms import JudgesColumns
from assay.decision.verdict import Verdict
from tests.fakes.arms import CANDIDATE, arm, failing, judge, traits

GATES = Gates(p95_tokens=None, tail_tokens=None, mean_tokens=None, mean_tool_calls=None)
N = 20 * 20


def judged_arm(
    with_judges: Any = None, *, plain: Any = None, agreement: Any = 1.0, asked: bool = True
) -> Arm:
    """Runs of which judges were asked; all succeed with and without them unless it says so."""
    ones = np.ones(N)
    columns = JudgesColumns(
        success_without=ones if plain is None else plain,
        ruled=ones == 1.0 if plain is None else plain == 1.0,
        asked=np.full(N, asked),
        agreement=np.broadcast_to(agreement, N).astype(float),
        tokens=np.full(N, 660.0),
        spend_usd=np.full(N, 0.01),
    )
    return replace(arm(success=ones if with_judges is None else with_judges), judges=columns)


def decided(baseline: Arm, candidate: Arm, **options: Any) -> Judgement:
    return judge(baseline, candidate, gates=options.pop("gates", GATES), **options)


def unknown(count: int) -> Any:
    """Success of an arm in which judges left so many runs undecided."""
    success = np.ones((20, 20))
    success.ravel()[: count * 20 : 20] = np.nan
    return success.T.ravel()


def test_judges_that_agree_are_no_obstacle() -> None:
    """A check that can never pass would be of no use."""
    judgement = decided(judged_arm(), judged_arm())
    assert judgement.promotes
    assert "success without judges" in judgement.reason


def test_what_judges_refuse_is_a_regression() -> None:
    """That is what they are there for: they may reject."""
    worse = failing(dict.fromkeys(range(20), 8))
    judgement = decided(judged_arm(), judged_arm(worse))
    assert judgement.verdict is Verdict.REJECT


def test_an_advantage_that_only_judges_see_promotes_nothing() -> None:
    """The candidate fails hard checks three times of ten; judges like it better all the same."""
    fails = failing(dict.fromkeys(range(20), 6))
    judgement = decided(judged_arm(fails), judged_arm(fails, plain=fails))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "success without judges" in judgement.reason
    without = decided(arm(), arm(success=fails))
    assert without.verdict is Verdict.REJECT


def test_a_golden_task_that_broke_without_judges_is_suspect() -> None:
    """It passed every hard check, and passes none; the judges never liked it."""
    broken = failing({3: 20})
    judgement = decided(judged_arm(broken), judged_arm(broken, plain=broken))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "task 't3' may have broken (20/20 -> 0/20)" in judgement.reason


def test_a_golden_set_of_judges_alone_promotes_nothing() -> None:
    """Nothing in it would notice a judge that likes everything."""
    nothing_firm = [replace(each, firm=False) for each in traits(20)]
    judgement = decided(judged_arm(), judged_arm(), tasks=nothing_firm)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "nothing but judges' checks" in judgement.reason
    one_firm = [*nothing_firm[1:], replace(nothing_firm[0], firm=True)]
    assert decided(judged_arm(), judged_arm(), tasks=one_firm).promotes
    assert decided(arm(), arm(), tasks=nothing_firm).promotes  # nobody is judged here


@pytest.mark.parametrize(
    ("agreement", "gates", "promotes"),
    [
        (0.79, GATES, False),
        (0.81, GATES, True),
        (0.79, GATES.model_copy(update={"judge_agreement": None}), True),
        (np.nan, GATES, False),
        (np.nan, GATES.model_copy(update={"judge_agreement": None}), True),
    ],
)
def test_success_cannot_pass_on_judges_that_contradict_themselves(
    agreement: float, gates: Gates, promotes: bool
) -> None:
    """A coin agrees with itself three times of four, when it is asked three times."""
    for arms in (
        (judged_arm(), judged_arm(agreement=agreement)),
        (judged_arm(agreement=agreement), judged_arm()),
    ):
        judgement = decided(*arms, gates=gates)
        assert judgement.promotes is promotes
        if not promotes:
            assert judgement.verdict is Verdict.INCONCLUSIVE
            assert "agree" in judgement.reason


def test_similar_alone_has_no_agreement_to_ask_for() -> None:
    """It says the same each time."""
    assert decided(
        judged_arm(agreement=np.nan, asked=False), judged_arm(agreement=np.nan, asked=False)
    ).promotes


def test_runs_that_judges_left_undecided_are_counted_and_promote_nothing() -> None:
    """A judge that was out of service has found nothing right."""
    judgement = decided(judged_arm(), judged_arm(unknown(9)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "judges left 9 runs undecided" in judgement.reason
    nobody = decided(judged_arm(np.full(N, np.nan)), judged_arm(np.full(N, np.nan)))
    assert nobody.verdict is Verdict.INCONCLUSIVE


def test_the_decision_says_what_judges_did() -> None:
    """What they cost is in no other figure."""
    judgement = decided(judged_arm(), judged_arm(unknown(2), agreement=0.9))
    facts = EvaluationFacts(
        evaluation_id="e", rounds=1, stopped_early=False, spend_usd=1.0, seconds=1, seed=0,
        versions={},
    )  # fmt: skip
    judges = document(judgement, facts).judges
    assert judges is not None
    assert judges.candidate.model_dump() == {
        "runs": N,
        "undecided": 2,
        "agreement": pytest.approx(0.9),
        "tokens": N * 660,
        "spend_usd": pytest.approx(N * 0.01),
    }
    assert document(decided(arm(), arm()), facts).judges is None


@st.composite
def verdicts_of_judges(draw: st.DrawFn) -> tuple[Arm, Arm]:
    """Two arms of five tasks with any plain successes, of which judges say anything."""
    made = []
    for _ in range(2):
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        fails = rng.random(5)[:, None] * draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
        plain = (rng.random((5, 12)) >= fails).astype(float).ravel()
        likes = rng.random(60) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
        success = np.where(plain == 1.0, likes.astype(float), plain)
        columns = JudgesColumns(
            success_without=plain,
            ruled=plain == 1.0,
            asked=plain == 1.0,
            agreement=np.where(plain == 1.0, 1.0, np.nan),
            tokens=np.full(60, 1.0),
            spend_usd=np.full(60, 0.1),
        )
        made.append(replace(arm(5, 12, success=success), judges=columns))
    return made[0], replace(made[1], prompt=CANDIDATE)


@given(verdicts_of_judges())
def test_whatever_judges_say_nothing_is_promoted_that_would_not_be_without_them(
    arms: tuple[Arm, Arm],
) -> None:
    """The whole promise in one line."""
    plain = [replace(each.without_judges(), judges=None) for each in arms]
    if decided(*arms).promotes:
        assert decided(*plain).promotes
