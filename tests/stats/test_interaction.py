"""How much of an error more repeats would shrink."""

import numpy as np
import pytest
from scipy import stats

from assay.stats.interaction import repeat_share
from assay.stats.samples import Sample
from tests.fakes.samples import cells, sample

ARM = sample(np.ones(40), n_tasks=10)
"""4 repeats of 10 golden tasks: 2 x 30 degrees of freedom within tasks."""


@pytest.mark.parametrize("chance", [0.049, 0.051])
def test_an_interaction_counts_once_an_f_test_says_that_it_is_there(chance: float) -> None:
    """Chance alone makes some interaction; a floor that is not there would be bad advice."""
    ratio = float(stats.f.isf(chance, 9, 60))
    found = repeat_share(ARM, ARM, whole=ratio, within=1.0)
    assert found == pytest.approx(1 / ratio if chance < 0.05 else 1.0)


def test_an_error_below_that_of_the_repeats_is_theirs_alone() -> None:
    """By luck golden tasks can differ less than their repeats: a share is at most 1."""
    assert repeat_share(ARM, ARM, whole=0.5, within=1.0) == 1.0


def test_repeats_that_never_differ_shrink_nothing() -> None:
    """A deterministic agent: its golden tasks differ, and asking it again changes nothing."""
    assert repeat_share(ARM, ARM, whole=0.5, within=0.0) == 0.0


def test_one_repeat_says_nothing_of_an_interaction() -> None:
    """Without a second repeat it cannot be told apart from the spread of repeats."""
    once = Sample(np.ones(10), cells(10, 1), n_tasks=10)
    assert repeat_share(once, once, whole=9.0, within=0.0) == 1.0
