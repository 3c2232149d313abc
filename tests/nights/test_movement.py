"""Telling a regression from a drift: by what moved beside the active prompt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.decision import Arm, Gates
from assay.nights.movement import ALPHA, Times, movements
from assay.stats.contrast import Limits, excess, excess_of_ratios
from tests.fakes.arms import simulated_arm, traits

N_TASKS, KEPT_REPEATS, REPEATS = 20, 20, 5
NIGHTS = 150


def times(
    rng: np.random.Generator, *, levels: np.ndarray, tokens: float = 1.0, calls: float = 4.0
) -> Times:
    """One prompt's kept runs, and tonight's that cost so many times as much."""
    kept: Arm = simulated_arm(rng, levels=levels, repeats=KEPT_REPEATS)
    tonight = simulated_arm(
        rng, levels=levels, repeats=REPEATS, token_factor=tokens, mean_calls=calls
    )
    return Times(kept, tonight)


def findings(
    seed: int, *, active: float = 1.0, rollback: float | None = 1.0, calls: float = 4.0
) -> set[str]:
    """What a night's gated metrics say, tokens moved by these factors."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(8.3, 0.5, N_TASKS)
    other = None if rollback is None else times(rng, levels=levels, tokens=rollback)
    found = movements(
        times(rng, levels=levels, tokens=active, calls=calls),
        other,
        tasks=traits(N_TASKS),
        gates=Gates(),
    )
    return {one.finding for one in found if one.is_gated} - {"same"}


def share(what: str, nights: int = NIGHTS, **moved: float | None) -> float:
    """Of simulated nights that find it."""
    return sum(what in findings(seed, **moved) for seed in range(nights)) / nights  # type: ignore[arg-type]


def test_a_quiet_night_is_quiet() -> None:
    """An alarm every third week gets switched off; the level is 1 % a night."""
    found = [findings(seed) for seed in range(NIGHTS)]
    assert sum(bool(each) for each in found) / NIGHTS <= ALPHA + 0.04


def test_what_moves_both_prompts_is_a_drift_and_no_regression() -> None:
    """A provider's new model must not cost the team a rollback that helps nothing."""
    assert share("drift", active=1.5, rollback=1.5) > 0.95
    assert share("regression", active=1.5, rollback=1.5) < 0.03


def test_a_cheaper_world_is_a_drift_too() -> None:
    """The kept runs are no longer what to compare with, whichever way it went."""
    assert share("drift", active=0.6, rollback=0.6) > 0.95


def test_what_moves_the_active_prompt_alone_is_a_regression() -> None:
    """Its retrieval rotted, its tool changed: going back helps."""
    assert share("regression", active=1.9, calls=11.0) == 1.0


def test_both_moved_but_the_active_one_far_more_is_a_regression() -> None:
    """A drift must not hide what the prompt adds to it."""
    assert share("regression", active=2.6, rollback=1.3) > 0.9


def test_without_another_version_nothing_tells_why() -> None:
    """Then it is said that it moved, and no cause is made up."""
    assert findings(1, active=1.9, rollback=None) == {"unclear"}


limits = st.tuples(*[st.floats(-5, 5)] * 3).map(
    lambda three: Limits(*sorted(three)[1:2], *[min(three), max(three)])
)


@given(limits, limits)
def test_the_excess_mirrors_when_the_changes_are_swapped(one: Limits, other: Limits) -> None:
    """How much more one moved than the other is how much less the other did."""
    there, back = excess(one, other), excess(other, one)
    assert back == pytest.approx(Limits(-there.change, -there.upper, -there.lower))
    assert there.lower <= there.change <= there.upper


def test_the_excess_of_equal_errors_is_as_wide_as_their_root_of_squares() -> None:
    """Two normal errors of 1 are one of the square root of 2."""
    found = excess(Limits(3.0, 2.0, 4.0), Limits(1.0, 0.0, 2.0))
    assert found == pytest.approx(Limits(2.0, 2 - 2**0.5, 2 + 2**0.5))
    ratios = excess_of_ratios(Limits(2.0, 1.0, 4.0), Limits(2.0, 2.0, 2.0))
    assert ratios == pytest.approx(Limits(1.0, 0.5, 2.0))
